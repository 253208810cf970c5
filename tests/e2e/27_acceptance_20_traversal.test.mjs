// ACCEPTANCE 20: path traversal. Hostile paths with every method and route that takes one, and a link that is
// swapped for a folder and back all the time: what lies outside is neither read nor touched. It may be read and
// written by anybody, so nothing but the resolution of paths protects it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';

import { count, inParallel } from './counts.mjs';
import { startServer, tempDir } from './lib.mjs';

const CANARY = 'CANARY-7c1f';

function snapshot(dir, found = []) {
  for (const e of fs.readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const p = path.join(dir, e.name), st = fs.lstatSync(p);
    found.push([p, st.ino, st.mode, st.uid, st.mtimeMs, e.isFile() ? fs.readFileSync(p, 'utf8') : '']);
    if (e.isDirectory())
      snapshot(p, found);
  }
  return found;
}

function makeOutside(dir) {
  fs.chmodSync(dir, 0o777);
  for (const [p, text] of [['secret', CANARY], ['d/secret', CANARY], ['d/e/secret', CANARY], ['victim.py', CANARY]]) {
    fs.mkdirSync(path.dirname(`${dir}/${p}`), { recursive: true });
    fs.writeFileSync(`${dir}/${p}`, text);
    fs.chmodSync(`${dir}/${p}`, 0o666);
  }
  for (const d of ['d', 'd/e'])
    fs.chmodSync(`${dir}/${d}`, 0o777);
}

// Links of every kind that a program could make.
function linksTo(outside) {
  const up = '../'.repeat(12);
  return [
    ['abs', outside], ['file', `${outside}/secret`], ['rel', `${up}${outside.slice(1)}`],
    ['chain1', 'chain2'], ['chain2', 'chain3'], ['chain3', outside], ['sub/deep', `../${up}${outside.slice(1)}`],
    ['selfroot', '/proc/self/root'], ['selfcwd', '/proc/self/cwd'], ['selffd', '/proc/self/fd'], ['root', '/'],
    ['dots', `${up}`], ['bob', '../../bob/home'], ['user', '..'], ['staging', '../staging'], ['new', `${outside}/made`],
    ['loop', 'loop'],
  ];
}

function plant(home, outside) {
  fs.mkdirSync(`${home}/sub`, { recursive: true });
  fs.mkdirSync(`${home}/in`, { recursive: true });
  fs.writeFileSync(`${home}/in/f`, 'INSIDE');
  for (const [name, to] of [...linksTo(outside), ['inlink', 'in']])
    if (!fs.lstatSync(`${home}/${name}`, { throwIfNoEntry: false }))
      fs.symlinkSync(to, `${home}/${name}`);
}

// Raw: what goes into a request line (already escaped as it is to be) and, decoded or not, into a parameter.
function hostile(outside) {
  const o = outside.slice(1), found = new Set();
  const dots = ['..', '%2e%2e', '%2E.', '.%2e', '%252e%252e', '%25252e%25252e', '..%00', '%c0%ae%c0%ae', '%e0%80%ae%e0%80%ae',
    '\u2025', '\uff0e\uff0e', '\u2024\u2024', '..;', '.. ', '...', '\\x2E\\x2E', '\\x5C..', '\\xC0\\xAE'];
  const slashes = ['/', '%2f', '%252f', '\\', '%5c', '//', '/./', '%c0%af', '\u2215', '\uff0f', '\u2044'];
  const targets = [`${o}/secret`, 'bob/home/secret', 'etc/passwd'];
  for (const base of ['', 'home/', 'home/in/', 'courses/'])
    for (const d of dots)
      for (const s of slashes)
        found.add(base + Array(9).fill(d).join(s) + s + targets[found.size % 3]);
  for (const [name] of linksTo(outside))
    for (const rest of ['/secret', '/d/e/secret', `/${o}/secret`, '/new', '', '/', '/../secret', `/../../${o}/secret`, '/.', '/d/..'])
      found.add(`home/${name}${rest}`);
  for (const p of [`/${o}/secret`, `//${o}/secret`, `${o}/secret`, `file://${outside}/secret`, `~/${o}`, '\\\\host\\share',
    `C:\\${o}`, `${'a/'.repeat(2040)}x`, `home/${'n'.repeat(256)}`, 'home/in/f%00.txt', 'home/in/f\u0000', `home\u0000/${o}`,
    'home/.', '.', '..', './home', 'home/..', 'home//in/f', 'home/in/f/', '%', 'home/%', 'home/%zz', 'staging', 'users/bob/home/secret',
    'home/\\x2F..\\x2Fbob', 'home/\\x00'])
    found.add(p);
  return [...found];
}

// A request as it stands, for no client library would send it so. The whole answer as text.
function raw(server, token, method, target, headers = '', body = '') {
  return new Promise((resolve, reject) => {
    const s = net.connect(server.port, server.host), pieces = [];
    s.on('data', (d) => pieces.push(d)).on('error', reject).on('close', () => resolve(Buffer.concat(pieces).toString('latin1')));
    s.write(`${method} ${target} HTTP/1.1\r\nHost: ${server.host}:${server.port}\r\nAuthorization: Bearer ${token}\r\n` +
      `${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  });
}

const FORM = 'Content-Type: multipart/form-data; boundary=b0\r\n';
const form = (name) => `--b0\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\n\r\nEVIL\r\n--b0--\r\n`;

// What a request line may hold; the rest is escaped, what is escaped already stays.
const inLine = (p) => p.replace(/[^!-~]/gu, (c) => (c === '\0' ? '%00' : encodeURIComponent(c)));

function decoded(p) {
  try {
    return decodeURIComponent(p);
  } catch {
    return p;
  }
}

async function overHttp(server, token, p) {
  const line = inLine(p), answers = [];
  for (const [method, target, headers, body] of [
    ['GET', `/api/files/${line}`], ['HEAD', `/api/files/${line}`], ['PUT', `/api/files/${line}`, '', 'EVIL'],
    ['DELETE', `/api/files/${line}`], ['GET', `/api/zip/${line}`],
    ['POST', `/api/upload/${line}`, FORM, form('planted')],
    ['POST', '/api/upload/home/in', FORM, form(p.replace(/[\r\n\0]/g, ''))],
    ['POST', '/api/upload/home', FORM, form(decoded(p).replace(/^home\//, '').replace(/[\r\n\0]/g, ''))],
  ])
    answers.push(await raw(server, token, method, target, headers, body));
  for (const a of answers)
    assert.match(a, /^HTTP\/1\.1 (2|4)\d\d /, `${JSON.stringify(p)}: ${a.slice(0, 200)}`);
  return answers.join('\n');
}

async function overSocket(c, p) {
  const answers = [], inside = 'home/in/f';
  for (const [method, params] of [
    ['fs.stat', { path: p }], ['fs.list', { path: p }], ['fs.list', { path: p, limit: 5 }], ['fs.read', { path: p }],
    ['fs.write', { path: p, data: 'EVIL' }], ['fs.mkdir', { path: p }], ['fs.rename', { from: inside, to: p, replace: true }],
    ['fs.rename', { from: p, to: 'home/taken', replace: true }], ['fs.watch', { path: p }],
    ['fs.remove', { path: p, recursive: true }],
    ['session.open', { kind: 'run', path: p, language: 'python' }],
  ]) {
    try {
      answers.push(JSON.stringify(await c.request(method, params, { accept: () => {} })));
    } catch (e) {
      assert.notEqual(e.word, 'internal', `${method} ${JSON.stringify(p)}: ${e.message}`);
      assert.ok(e.word || e.code === -32602, `${method} ${JSON.stringify(p)}: ${e.message}`);
    }
  }
  return answers.join('\n');
}

async function world(t) {
  const server = await startServer(t, { config: { limits: { requests_per_minute: 100000000, runs_per_minute: 100000 } } });
  const outside = tempDir('latch-outside-');
  t.after(() => fs.rmSync(outside, { recursive: true, force: true }));
  const ann = await server.user('ann'), bob = await server.user('bob');
  const home = path.join(server.data, 'users/ann/home'), others = path.join(server.data, 'users/bob');
  assert.equal((await server.fetch('/api/files/home/secret', { token: bob, method: 'PUT', body: CANARY })).status, 201);
  makeOutside(outside);
  plant(home, outside);
  return { server, ann, home, others, outside };
}

test('hostile paths lead nowhere, whatever the method and route', async (t) => {
  const { server, ann, home, others, outside } = await world(t);
  const c = await server.client(ann);
  const all = hostile(outside);
  assert.ok(all.length >= 500, `${all.length} paths`);
  const n = count(500, { asan: 100, tsan: 50 }), every = all.length / n;
  const paths = process.env.COUNT === 'full' ? all : Array.from({ length: n }, (_, i) => all[Math.floor(i * every)]);
  const before = [snapshot(outside), snapshot(others)];
  const check = (p) => {
    assert.deepEqual([snapshot(outside), snapshot(others)], before, `${JSON.stringify(p)} changed what is outside`);
  };
  // It would be seen: a file is read, and written, through a link that stays inside.
  assert.match(await raw(server, ann.token, 'GET', '/api/files/home/inlink/f'), /INSIDE/);
  for (const p of paths) {
    plant(home, outside);
    const answers = await overHttp(server, ann.token, p);
    assert.ok(!answers.includes(CANARY) && !answers.includes('root:x:0'), `${JSON.stringify(p)} was read over HTTP`);
    for (const form of new Set([p, decoded(p)])) {
      plant(home, outside);
      const said = await overSocket(c, form);
      assert.ok(!said.includes(CANARY) && !said.includes('root:x:0'), `${JSON.stringify(form)} was read`);
    }
    check(p);
  }
});

// renameat2(2) with RENAME_EXCHANGE, as fast as it goes, until its input ends; then how often.
const SWAPPER = `
import ctypes, select, sys
libc = ctypes.CDLL(None, use_errno=True)
a, b = (s.encode() for s in sys.argv[1:3])
n = 0
print('swapping', flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(100):
        if libc.renameat2(-100, a, -100, b, 2) == 0:
            n += 1
print(n, flush=True)
`;

test('a link that is swapped for a folder all the time', async (t) => {
  const { server, ann, home, others, outside } = await world(t);
  const c = await server.client(ann);
  fs.mkdirSync(`${home}/swap`);
  fs.chmodSync(`${home}/swap`, 0o777);
  fs.writeFileSync(`${home}/swap/secret`, 'INSIDE');
  fs.symlinkSync(outside, `${home}/other`);
  const before = [snapshot(outside), snapshot(others)];
  const swapper = spawn('python3', ['-c', SWAPPER, `${home}/swap`, `${home}/other`], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => swapper.kill('SIGKILL'));
  let said = '';
  swapper.stdout.on('data', (d) => (said += d));
  await new Promise((resolve) => swapper.stdout.once('data', resolve));

  let inside = 0;
  const round = async (i) => {
    const answers = [];
    for (const [method, target, headers, body] of [
      ['GET', '/api/files/home/swap/secret'], ['PUT', `/api/files/home/swap/n${i}`, '', 'EVIL'], ['PUT', '/api/files/home/swap/victim.py', '', 'EVIL'],
      ['DELETE', `/api/files/home/swap/d/secret`], ['GET', '/api/zip/home/swap'], ['POST', '/api/upload/home/swap', FORM, form(`d/u${i}`)]])
      answers.push(await raw(server, ann.token, method, target, headers, body));
    for (const [method, params] of [
      ['fs.read', { path: 'home/swap/secret' }], ['fs.list', { path: 'home/swap/d' }], ['fs.write', { path: 'home/swap/d/w', data: 'EVIL' }],
      ['fs.mkdir', { path: `home/swap/m${i}` }], ['fs.rename', { from: 'home/in/f', to: 'home/swap/moved', replace: true }],
      ['fs.remove', { path: 'home/swap/d', recursive: true }], ['fs.stat', { path: 'home/swap/victim.py' }]])
      answers.push(JSON.stringify(await c.request(method, params).catch((e) => {
        assert.notEqual(e.word, 'internal', e.message);
        return e.word;
      })));
    const all = answers.join('\n');
    assert.ok(!all.includes(CANARY), all.slice(all.indexOf(CANARY) - 400));
    inside += all.includes('INSIDE') ? 1 : 0;
  };
  await inParallel(Array.from({ length: count(200, { rel: 60, asan: 20, tsan: 12 }) }, (_, i) => i), 4, round);
  swapper.stdin.end('x');
  await new Promise((resolve) => swapper.on('close', resolve));
  const swaps = Number(said.trim().split('\n').pop());
  assert.ok(swaps > 100, `${swaps} swaps`);
  assert.ok(inside > 0, 'nothing was ever read: that proves nothing');
  assert.deepEqual([snapshot(outside), snapshot(others)], before);
});
