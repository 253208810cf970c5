// build.mjs OUT.c - bundles the browser IDE and writes it as a C table (front/assets.h).
//
// Same sources, same packages: same bytes. Names carry a hash of their content, so a browser may keep
// them for ever; the page itself is asked for anew by its etag.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';

const here = path.dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
if (!out) {
        console.error('usage: node build.mjs OUT.c');
        process.exit(2);
}

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

async function bundle() {
        const result = await build({
                absWorkingDir: here,
                entryPoints: ['main.ts', 'style.css'],
                outdir: 'out',
                write: false,
                bundle: true,
                minify: true,
                format: 'esm',
                target: ['es2022'],
                charset: 'utf8',
                legalComments: 'none',
                logLevel: 'warning',
        });
        const find = (name) =>
                Buffer.from(result.outputFiles.find((f) => f.path.endsWith(name)).contents);
        return {
                'main.js': [find('main.js'), 'text/javascript; charset=utf-8'],
                'main.css': [find('style.css'), 'text/css; charset=utf-8'],
                'icon.svg': [fs.readFileSync(path.join(here, 'icon.svg')), 'image/svg+xml'],
        };
}

// The licences of what is in the bundle ask that their text goes with it.
function licences() {
        const lock = JSON.parse(fs.readFileSync(path.join(here, 'package-lock.json'), 'utf8'));
        const parts = ['Latch includes the following software.\n'];
        for (const [dir, p] of Object.entries(lock.packages)) {
                if (!dir || p.dev) continue;
                const file = fs
                        .readdirSync(path.join(here, dir))
                        .find((f) => /^licen[cs]e/i.test(f));
                if (!file) throw new Error(`${dir} has no licence text`);
                const text = fs.readFileSync(path.join(here, dir, file), 'utf8').trim();
                parts.push(`${dir.replace('node_modules/', '')} ${p.version}\n\n${text}\n`);
        }
        return Buffer.from(parts.join(`\n${'-'.repeat(80)}\n\n`));
}

function asset(name, mime, bytes, immutable) {
        const packed = zlib.gzipSync(bytes, { level: 9 }); // no name, no time: the same bytes each time
        packed[9] = 0xff; // nor the system that packed it
        return { name, mime, etag: `\\"${hash(bytes)}\\"`, packed, size: bytes.length, immutable };
}

async function assets() {
        const list = [];
        let page = fs.readFileSync(path.join(here, 'index.html'), 'utf8');
        for (const [name, [bytes, mime]] of Object.entries(await bundle())) {
                const url = `/assets/${name.replace('.', `-${hash(bytes)}.`)}`;
                page = page.replaceAll(`@${name}@`, url);
                list.push(asset(url, mime, bytes, true));
        }
        list.push(asset('/assets/licences.txt', 'text/plain; charset=utf-8', licences(), false));
        list.unshift(asset('/', 'text/html; charset=utf-8', Buffer.from(page), false));
        return list;
}

function c(list) {
        const lines = ['/* Made by src/web/build.mjs. */', '#include "front/assets.h"', ''];
        list.forEach((a, i) => {
                lines.push(`static const unsigned char data_${i}[] = {`);
                for (let at = 0; at < a.packed.length; at += 32)
                        lines.push(a.packed.subarray(at, at + 32).join(',') + ',');
                lines.push('};', '');
        });
        lines.push('const struct web_asset web_assets[] = {');
        list.forEach((a, i) =>
                lines.push(
                        `        {.path = "${a.name}", .mime = "${a.mime}", .etag = "${a.etag}", .data = data_${i},` +
                                ` .n = sizeof(data_${i}), .gzip = true, .immutable = ${a.immutable}},`,
                ),
        );
        lines.push(
                '};',
                'const size_t web_assets_n = sizeof(web_assets) / sizeof(web_assets[0]);',
                '',
        );
        return lines.join('\n');
}

const list = await assets();
fs.mkdirSync(path.dirname(out), { recursive: true });
fs.writeFileSync(`${out}.new`, c(list));
fs.renameSync(`${out}.new`, out);
const kib = (n) => `${(n / 1024).toFixed(1)} KiB`;
for (const a of list)
        console.log(`        ${a.name}  ${kib(a.size)}, packed ${kib(a.packed.length)}`);
