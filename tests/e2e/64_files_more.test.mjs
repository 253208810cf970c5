// Files over HTTP and the socket, beyond one at a time: bodies that are streamed, folders as archives, forms with
// many files, names of any bytes, pages, conflicts, quotas.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';

import { haveProgram, processStatus, startServer, tempDir } from './lib.mjs';

async function start(t, config = {}) {
  const server = await startServer(t, { config: { limits: { requests_per_minute: 1000000 }, ...config } });
  const ann = await server.user('ann');
  return { server, ann, home: path.join(server.data, 'users/ann/home') };
}

const put = (server, who, name, body, headers = {}) =>
  server.fetch(`/api/files/${name}`, { token: who, method: 'PUT', body, headers });

function form(parts, boundary = 'b0undary') {
  const pieces = parts.flatMap(([head, data]) => [`--${boundary}\r\n${head}\r\n\r\n`, data, '\r\n']);
  return Buffer.concat([...pieces, `--${boundary}--\r\n`].map((p) => Buffer.from(p)));
}

const file = (name, data) => [`Content-Disposition: form-data; name="f"; filename="${name}"`, data];
const upload = (server, who, dir, body, headers = {}) =>
  server.fetch(`/api/upload/${dir}`, { token: who, method: 'POST', body,
    headers: { 'content-type': 'multipart/form-data; boundary=b0undary', ...headers } });

test('a large body is not held in memory', async (t) => {
  const { server, ann } = await start(t);
  const peak = () => Number(/\d+/.exec(processStatus(server.pid).VmHWM)[0]);
  await (await put(server, ann, 'home/warm', Buffer.alloc(1 << 20))).text();
  const before = peak(), big = randomBytes(48 << 20);
  const r = await put(server, ann, 'home/big', big);
  assert.equal(r.status, 201, await r.text());
  if (!process.env.LATCH_VARIANT || process.env.LATCH_VARIANT === 'rel')
    assert.ok(peak() - before < 2048, `it grew by ${peak() - before} KiB`);
  const got = Buffer.from(await (await server.fetch('/api/files/home/big', { token: ann })).arrayBuffer());
  assert.ok(got.equals(big));
});

test('a conflict names what stands there', async (t) => {
  const { server, ann } = await start(t);
  const c = await server.client(ann);
  const { etag } = await c.write('home/a', 'one');
  const refused = (params) => c.request('fs.write', { path: 'home/a', data: 'two', ...params }).then(
    () => assert.fail('it was written'), (e) => e);
  for (const [params, word] of [[{ if_match: 'old' }, 'conflict'], [{ if_match: '' }, 'exists']]) {
    const e = await refused(params);
    assert.equal(e.word, word);
    assert.deepEqual([e.data.etag, e.data.size], [etag, 3]);
    assert.ok(Math.abs(e.data.mtime - Date.now() / 1000) < 60);
  }
  const r = await put(server, ann, 'home/a', 'two', { 'if-match': '"old"' });
  assert.equal(r.status, 412);
  assert.equal(r.headers.get('etag'), `"${etag}"`);
  assert.equal((await r.json()).error.etag, etag);
});

test('a folder of 100,000 entries comes in pages', async (t) => {
  const { server, ann, home } = await start(t);
  const c = await server.client(ann);
  const n = process.env.LATCH_VARIANT && process.env.LATCH_VARIANT !== 'rel' ? 20000 : 100000;
  const dir = path.join(home, 'many');
  fs.mkdirSync(dir);
  for (let i = 0; i < n; i++)
    fs.closeSync(fs.openSync(path.join(dir, `f${(i * 7919) % n}`), 'w'));
  await assert.rejects(c.request('fs.list', { path: 'home/many' }), (e) =>
    e.word === 'too_large' && /"limit"/.test(e.text));
  let after = '', seen = 0;
  for (let page; page?.length !== 0;) {
    page = await c.request('fs.list', { path: 'home/many', after, limit: 10000 }, { timeout: 60000 });
    for (const e of page) {
      assert.ok(e.name > after, `${e.name} behind ${after}`);
      after = e.name;
    }
    seen += page.length;
    if (page.length < 10000)
      break;
  }
  assert.equal(seen, n);
  await assert.rejects(c.request('fs.list', { path: 'home/many', limit: 10001 }), /limit/);
});

test('names that are not UTF-8 are listed and operable', async (t) => {
  const { server, ann, home } = await start(t);
  const c = await server.client(ann);
  const bytes = (...parts) => Buffer.concat([Buffer.from(`${home}/`), ...parts.map((p) => Buffer.from(p))]);
  fs.writeFileSync(bytes('b', [0xe4], 'r'), 'x');
  fs.writeFileSync(bytes('\\xE4'), 'y');
  const names = (await c.request('fs.list', { path: 'home' })).map((e) => e.name).sort();
  assert.deepEqual(names, ['\\x5CxE4', 'b\\xE4r']);
  assert.equal((await c.request('fs.read', { path: 'home/b\\xE4r' })).data, 'x');
  const url = `/api/files/home/${encodeURIComponent('b\\xE4r')}`;
  assert.equal(await (await server.fetch(url, { token: ann })).text(), 'x');
  await c.request('fs.rename', { from: 'home/b\\xE4r', to: 'home/\\xFF' });
  assert.equal(fs.readFileSync(bytes([0xff]), 'utf8'), 'x');
  assert.equal((await put(server, ann, `home/${encodeURIComponent('\\xFF')}`, 'new')).status, 200);
  assert.equal((await server.fetch(`/api/files/home/${encodeURIComponent('\\xFF')}`,
    { token: ann, method: 'DELETE' })).status, 204);
  await c.request('fs.remove', { path: 'home/\\x5CxE4' });
  assert.deepEqual(await c.request('fs.list', { path: 'home' }), []);
});

test('a folder is downloaded as an archive', async (t) => {
  const { server, ann, home } = await start(t);
  const outside = tempDir();
  t.after(() => fs.rmSync(outside, { recursive: true }));
  fs.writeFileSync(`${outside}/secret`, 'CANARY');
  const random = randomBytes(3 << 20);
  fs.mkdirSync(`${home}/lab/empty`, { recursive: true });
  fs.mkdirSync(`${home}/lab/täglich`);
  fs.writeFileSync(`${home}/lab/täglich/ü ☃.txt`, 'snow\n'.repeat(100000));
  fs.writeFileSync(`${home}/lab/random.bin`, random);
  fs.writeFileSync(`${home}/lab/none`, '');
  fs.writeFileSync(Buffer.concat([Buffer.from(`${home}/lab/b`), Buffer.from([0xe4])]), 'bytes');
  fs.symlinkSync(`${outside}/secret`, `${home}/lab/link`);
  fs.symlinkSync(outside, `${home}/lab/linkdir`);
  const r = await server.fetch('/api/zip/home/lab', { token: ann });
  assert.equal(r.status, 200);
  assert.equal(r.headers.get('content-type'), 'application/zip');
  assert.match(r.headers.get('content-disposition'), /^attachment; filename\*=UTF-8''lab\.zip$/);
  const zip = `${outside}/got.zip`, bytes = Buffer.from(await r.arrayBuffer());
  fs.writeFileSync(zip, bytes);
  assert.ok(!bytes.includes('CANARY'));
  assert.match(execFileSync('python3', ['-m', 'zipfile', '-t', zip]).toString(), /Done testing/);
  if (haveProgram('unzip'))
    execFileSync('unzip', ['-tq', zip]);
  execFileSync('python3', ['-m', 'zipfile', '-e', zip, `${outside}/out`]);
  assert.deepEqual(fs.readdirSync(`${outside}/out`).sort(),
    ['b\\xE4', 'empty', 'none', 'random.bin', 'täglich']);
  assert.deepEqual(fs.readdirSync(`${outside}/out/empty`), []);
  assert.ok(fs.readFileSync(`${outside}/out/random.bin`).equals(random));
  assert.equal(fs.readFileSync(`${outside}/out/täglich/ü ☃.txt`, 'utf8'), 'snow\n'.repeat(100000));
  const head = await server.fetch('/api/zip/home/lab', { token: ann, method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal((await head.arrayBuffer()).byteLength, 0);
  assert.equal((await server.fetch('/api/zip/home/none', { token: ann })).status, 404);
  assert.equal((await server.fetch('/api/zip/home/lab/none', { token: ann })).status, 404);
});

test('an archive that fails midway does not look whole', async (t) => {
  const { server, ann, home } = await start(t);
  fs.mkdirSync(`${home}/lab`);
  const name = `${home}/lab/shrinks`;
  fs.writeFileSync(name, randomBytes(64 << 20));
  const req = http.get(`${server.url}/api/zip/home/lab`, { headers: { authorization: `Bearer ${ann.token}` } });
  const res = await new Promise((resolve) => req.on('response', resolve));
  await new Promise((resolve) => res.once('data', resolve)); // the file is open now, and its size promised
  res.pause();
  fs.truncateSync(name, 1000); // 64 MiB do not fit what lies between the two
  const end = new Promise((resolve) => {
    res.on('aborted', () => resolve('cut'));
    res.on('error', () => resolve('cut'));
    res.on('end', () => resolve('whole'));
  });
  res.resume();
  assert.equal(await end, 'cut');
});

test('a form with many files, in folders', async (t) => {
  const { server, ann, home } = await start(t);
  const data = new FormData();
  const big = randomBytes(300000);
  data.append('other', 'a field');
  data.append('f', new Blob([big]), 'proj/src/a.bin');
  data.append('f', new Blob(['b\r\n--b']), 'proj/b "quoted".txt');
  data.append('f', new Blob(['']), 'ä.txt');
  data.append('f', new Blob(['x']), '../out');
  data.append('f', new Blob(['x']), '/abs');
  const r = await server.fetch('/api/upload/home', { token: ann, method: 'POST', body: data });
  const answer = await r.json();
  assert.equal(r.status, 200, JSON.stringify(answer));
  assert.deepEqual(answer.files.map((f) => [f.path, f.error?.code ?? f.size]), [
    ['home/proj/src/a.bin', 300000], ['home/proj/b "quoted".txt', 6], ['home/ä.txt', 0],
    ['home/../out', 'invalid'], ['home//abs', 'invalid']]);
  assert.equal(answer.failed, 2);
  assert.ok(fs.readFileSync(`${home}/proj/src/a.bin`).equals(big));
  assert.equal(fs.readFileSync(`${home}/proj/b "quoted".txt`, 'utf8'), 'b\r\n--b');
  assert.deepEqual(fs.readdirSync(home).sort(), ['proj', 'ä.txt']);
  const c = await server.client(ann);
  assert.equal((await c.request('fs.stat', { path: 'home/proj/src/a.bin' })).etag, answer.files[0].etag);

  const again = await (await upload(server, ann, 'home/proj', form([file('src/a.bin', 'x'), file('new', 'y')]),
    { 'if-none-match': '*' })).json();
  assert.deepEqual([again.files[0].error.code, again.files[0].error.etag, again.files[1].size],
    ['exists', answer.files[0].etag, 1]);
});

test('curl uploads several files', { skip: !haveProgram('curl') && 'no curl' }, async (t) => {
  const { server, ann, home } = await start(t);
  const dir = tempDir();
  t.after(() => fs.rmSync(dir, { recursive: true }));
  fs.writeFileSync(`${dir}/a.txt`, 'A');
  fs.writeFileSync(`${dir}/b"c.txt`, 'B');
  const out = execFileSync('curl', ['-sS', '-H', `Authorization: Bearer ${ann.token}`, '-F', `f=@${dir}/a.txt`,
    '-F', `f=@"${dir}/b\\"c.txt"`, `${server.url}/api/upload/home`]).toString();
  assert.equal(JSON.parse(out).failed, 0, out);
  assert.equal(fs.readFileSync(`${home}/b"c.txt`, 'utf8'), 'B');
});

test('a broken form leaves nothing of its last file', async (t) => {
  const { server, ann, home } = await start(t);
  const whole = form([file('one', '1'), file('two', '2'.repeat(100000))]);
  for (const [body, status] of [
    [whole.subarray(0, -20), 400], // the last boundary is missing
    [Buffer.concat([Buffer.from('--b0undary\r\nContent-Disposition: form-data; name="f"; filename="x\r\n\r\n'), whole]), 400],
    [form([['Content-Type: text/plain', 'x']]), 400],
    [form([['Content-Disposition: form-data; name="f"; filename="q"\r\nContent-Transfer-Encoding: base64', 'eA==']]), 400],
    [form(Array.from({ length: 1001 }, (_, i) => file(`n/${i % 7}`, ''))), 413],
  ]) {
    const r = await upload(server, ann, 'home', body);
    assert.equal(r.status, status, await r.text());
  }
  const names = fs.readdirSync(home).sort();
  assert.deepEqual(names, ['n', 'one']);
  assert.deepEqual(fs.readdirSync(path.join(home, '../staging')), []);
  assert.equal((await upload(server, ann, 'home/none', whole)).status, 404);
  assert.equal((await upload(server, ann, 'home/one', whole)).status, 404);
  assert.equal((await upload(server, ann, 'home', whole, { 'content-type': 'text/plain' })).status, 400);

  // The client goes in the middle of the second file.
  const s = net.connect(server.port, server.host);
  s.on('error', () => {});
  s.write(`POST /api/upload/home HTTP/1.1\r\nHost: ${server.host}:${server.port}\r\nAuthorization: Bearer ${ann.token}\r\n` +
    `Content-Type: multipart/form-data; boundary=b0undary\r\nContent-Length: ${whole.length}\r\n\r\n`);
  await new Promise((resolve) => s.write(whole.subarray(0, 50000), resolve));
  s.end();
  await new Promise((resolve) => s.on('data', () => {}).on('close', resolve));
  assert.deepEqual(fs.readdirSync(home).sort(), ['n', 'one']);
});

const MIB = 1 << 20;

async function startWithQuota(t) {
  // One user has half of the threads: room for thirty requests at once.
  const w = await start(t, { server: { http_threads: 64 }, limits: { quota_bytes: MIB, quota_files: 100, requests_per_minute: 1000000 } });
  const me = async () => (await (await w.server.fetch('/api/me', { token: w.ann })).json()).quota;
  return { ...w, me };
}

test('the quota is exact for what goes through the server', async (t) => {
  const { server, ann, me } = await startWithQuota(t);
  const c = await server.client(ann);
  assert.deepEqual(await me(), { bytes: MIB, used: 0, files: 100, files_used: 0 });
  await c.write('home/a', 'x'.repeat(1000));
  assert.equal((await put(server, ann, 'home/b', Buffer.alloc(MIB - 1000))).status, 201);
  assert.deepEqual([(await me()).used, (await me()).files_used], [MIB, 2]);
  await assert.rejects(c.write('home/c', 'x'), (e) => e.word === 'limit_reached');
  assert.equal((await put(server, ann, 'home/a', 'x'.repeat(1001))).status, 507);
  await c.write('home/c', ''); // takes no byte
  await c.write('home/a', 'x'.repeat(999)); // what shrinks is always taken, and gives back
  assert.equal((await me()).used, MIB - 1);
  await c.write('home/c', 'y');
  await c.request('fs.remove', { path: 'home/b' });
  assert.deepEqual([(await me()).used, (await me()).files_used], [1000, 2]);
  await c.request('fs.mkdir', { path: 'home/d' });
  for (let i = 0; i < 97; i++)
    await c.write(`home/d/${i}`, '');
  await assert.rejects(c.write('home/d/more', ''), (e) => e.word === 'limit_reached');
  await assert.rejects(c.request('fs.mkdir', { path: 'home/e' }), (e) => e.word === 'limit_reached');
  await c.request('fs.remove', { path: 'home/d', recursive: true });
  assert.deepEqual([(await me()).used, (await me()).files_used], [1000, 2]);
});

test('uploads at the same time do not pass the quota together', async (t) => {
  const { server, ann, home, me } = await startWithQuota(t);
  const size = 100000, body = Buffer.alloc(size);
  const statuses = await Promise.all(Array.from({ length: 30 }, async (_, i) => (i % 2
    ? (await put(server, ann, `home/p${i}`, body)).status
    : (await (await upload(server, ann, 'home', form([file(`u${i}`, body)]))).json()).failed ? 507 : 201)));
  const saved = statuses.filter((s) => s === 201).length;
  assert.ok(statuses.every((s) => s === 201 || s === 507), String(statuses));
  assert.ok(saved >= 5 && saved <= 10, `${saved} of 100,000 bytes in 1 MiB`);
  assert.equal(fs.readdirSync(home).length, saved);
  assert.equal((await me()).used, saved * size);
  assert.equal((await put(server, ann, 'home/last', Buffer.alloc(MIB - saved * size))).status, 201);
  assert.equal((await put(server, ann, 'home/one', 'x')).status, 507);
});

test('what programs write counts, and what they remove is free at once', async (t) => {
  const { server, ann, home, me } = await startWithQuota(t);
  const c = await server.client(ann);
  await c.write('home/a', 'x'.repeat(100));
  fs.writeFileSync(`${home}/big`, Buffer.alloc(3 * MIB)); // as a program would
  await server.restart(); // nothing is remembered: the scan finds it
  const d = await server.client(ann);
  assert.equal((await me()).used, 3 * MIB + 100);
  await assert.rejects(d.write('home/b', 'x'), (e) => e.word === 'limit_reached');
  await d.write('home/a', 'x'.repeat(50));
  fs.rmSync(`${home}/big`);
  // A refusal rests on a scan that is at most two seconds old.
  const until = Date.now() + 10000;
  for (;;) {
    const ok = await d.write('home/b', 'x').then(() => true, () => false);
    if (ok)
      break;
    assert.ok(Date.now() < until);
    await new Promise((r) => setTimeout(r, 50));
  }
  assert.equal((await me()).used, 51);
});
