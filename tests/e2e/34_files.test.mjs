// The fs methods over the socket: what each does, what each says when it does not, and that no path and no
// link leads out of a user's own folders.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { isRoot, startServer } from './lib.mjs';

async function start(t, options) {
  const server = await startServer(t, options);
  const client = await server.client(await server.login('admin', server.firstPassword));
  return { server, client, home: path.join(server.data, 'users/admin/home') };
}

const refused = (promise, word, what) =>
  assert.rejects(promise, (e) => {
    assert.equal(e.word ?? e.code, word, `${what ?? ''} ${e}`);
    return true;
  });

for (const as of isRoot ? ['root', 'ordinary'] : ['ordinary'])
  test(`each fs method, the server started as ${as}`, async (t) => {
    const { client: c, home } = await start(t, { as });
    const top = await c.request('fs.list', { path: '' });
    assert.deepEqual(top.map((e) => [e.name, e.type, e.writable]), [['courses', 'dir', false], ['home', 'dir', true]]);
    assert.equal((await c.request('fs.stat', { path: '' })).type, 'dir');
    assert.deepEqual(await c.request('fs.list', { path: 'home' }), []);

    const made = await c.request('fs.write', { path: 'home/ä.txt', data: 'grüße\n', encoding: 'utf8' });
    assert.equal(made.size, 8);
    const read = await c.request('fs.read', { path: 'home/ä.txt' });
    assert.deepEqual(read, { data: 'grüße\n', encoding: 'utf8', size: 8, etag: made.etag });
    assert.deepEqual(await c.request('fs.read', { path: 'home/ä.txt', offset: 2, length: 3 }),
      { data: Buffer.from('üß').subarray(0, 3).toString('base64'), encoding: 'base64', size: 8, etag: made.etag });
    const st = await c.request('fs.stat', { path: 'home/ä.txt' });
    assert.deepEqual([st.name, st.type, st.size, st.mode, st.writable, st.etag], ['ä.txt', 'file', 8, 0o644, true, made.etag]);
    assert.ok(Math.abs(st.mtime - Date.now() / 1000) < 60);

    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 256));
    await c.request('fs.write', { path: 'home/bytes', data: bytes.toString('base64'), encoding: 'base64' });
    assert.ok(fs.readFileSync(path.join(home, 'bytes')).equals(bytes));
    const back = await c.request('fs.read', { path: 'home/bytes' });
    assert.equal(back.encoding, 'base64');
    assert.ok(Buffer.from(back.data, 'base64').equals(bytes));
    await c.request('fs.write', { path: 'home/nul', data: 'a\0b', encoding: 'utf8' });
    assert.deepEqual(fs.readFileSync(path.join(home, 'nul')), Buffer.from('a\0b'));

    await c.request('fs.write', { path: 'home/ä.txt', data: 'two', if_match: made.etag });
    await refused(c.request('fs.write', { path: 'home/ä.txt', data: 'three', if_match: made.etag }), 'conflict');
    await refused(c.request('fs.write', { path: 'home/ä.txt', data: 'three', if_match: '' }), 'exists');
    await refused(c.request('fs.write', { path: 'home/none', data: 'x', if_match: made.etag }), 'conflict');
    assert.equal(fs.readFileSync(path.join(home, 'ä.txt'), 'utf8'), 'two');

    assert.deepEqual(await c.request('fs.mkdir', { path: 'home/d' }), {});
    await refused(c.request('fs.mkdir', { path: 'home/d' }), 'exists');
    assert.deepEqual(await c.request('fs.rename', { from: 'home/ä.txt', to: 'home/d/b' }), {});
    await refused(c.request('fs.rename', { from: 'home/bytes', to: 'home/d/b' }), 'exists');
    assert.deepEqual(await c.request('fs.rename', { from: 'home/bytes', to: 'home/d/b', replace: true }), {});
    await refused(c.request('fs.rename', { from: 'home/d', to: 'home/d/e' }), -32602);
    await refused(c.request('fs.remove', { path: 'home/d' }), 'conflict');
    assert.deepEqual(await c.request('fs.remove', { path: 'home/d', recursive: true }), {});
    assert.deepEqual(await c.request('fs.remove', { path: 'home/nul' }), {});
    assert.deepEqual(fs.readdirSync(home), []);
    assert.deepEqual(c.violations, []);
  });

test('what a program and the server make of a file is the same user\'s', { skip: !isRoot && 'root alone has users\' uids' }, async (t) => {
  const { client: c, home } = await start(t, {});
  await c.request('fs.mkdir', { path: 'home/d' });
  await c.runProgram('home/d/a.py', 'open("by-program", "w").close()\n', {});
  const uids = ['.', 'd', 'd/a.py', 'd/by-program'].map((f) => fs.statSync(path.join(home, f)).uid);
  assert.equal(new Set(uids).size, 1, JSON.stringify(uids));
  assert.notEqual(uids[0], 0);
  await c.runProgram('home/d/b.py', 'open("a.py", "a").write("#")\n', {});
  assert.equal((await c.request('fs.read', { path: 'home/d/a.py' })).data.at(-1), '#');
});

test('paths that are none, and what is not there', async (t) => {
  const { client: c } = await start(t);
  const bad = ['/', '/etc/passwd', '.', '..', './home', 'home/', 'home//a', 'home/.', 'home/..', 'home/../home/a', '../data',
    'home/a/../../../latch.db', 'home/a\0b', 'a/'.repeat(2100), `home/${'n'.repeat(256)}`];
  const calls = {
    'fs.list': (p) => ({ path: p }), 'fs.stat': (p) => ({ path: p }), 'fs.read': (p) => ({ path: p }),
    'fs.write': (p) => ({ path: p, data: 'x' }), 'fs.mkdir': (p) => ({ path: p }),
    'fs.remove': (p) => ({ path: p, recursive: true }), 'fs.rename': (p) => ({ from: p, to: 'home/x', replace: true }),
  };
  for (const [method, params] of Object.entries(calls)) {
    for (const p of bad)
      await refused(c.request(method, params(p)), -32602, `${method} ${JSON.stringify(p)}`);
    await refused(c.request(method, params('elsewhere/a')), 'not_found', method);
    await refused(c.request(method, params(7)), -32602, method);
    await refused(c.request(method, { ...params('home/a'), more: 1 }), -32602, method);
  }
  for (const method of ['fs.list', 'fs.stat', 'fs.read', 'fs.remove', 'fs.rename'])
    await refused(c.request(method, calls[method]('home/none')), 'not_found', method);
  await refused(c.request('fs.write', { path: 'home/none/a', data: 'x' }), 'not_found');
  for (const p of ['', 'home', 'courses', 'courses/c'])
    for (const method of ['fs.write', 'fs.mkdir', 'fs.remove', 'fs.rename'])
      await refused(c.request(method, calls[method](p)), 'forbidden', `${method} ${p}`);
  await refused(c.request('fs.write', { path: 'home/a', data: 'x', encoding: 'latin1' }), -32602);
  await refused(c.request('fs.write', { path: 'home/a', data: 'no!', encoding: 'base64' }), -32602);
  await refused(c.request('fs.read', { path: 'home/a', offset: -1 }), -32602);
  assert.deepEqual(await c.request('fs.list', { path: 'home' }), []);
});

test('links that a program makes lead nowhere out', async (t) => {
  const { server, client: c, home } = await start(t);
  const outside = path.join(server.data, 'users/canary');
  fs.writeFileSync(outside, 'canary');
  await c.runProgram('home/a.py', [
    'import os',
    `os.symlink("${outside}", "abs")`, 'os.symlink("../../canary", "rel")', 'os.symlink("../..", "dir")',
    'os.symlink("/proc/self/root", "proc")', 'os.symlink("a.py", "inside")', 'os.symlink("loop", "loop")', 'os.mkfifo("fifo")',
    'open(b"bad\\xff", "w").close()',
  ].join('\n'), {});
  const out = ['home/abs', 'home/rel', 'home/dir/canary', 'home/dir', 'home/proc/etc/passwd', 'home/loop', 'home/loop/x'];
  for (const p of out) {
    for (const method of ['fs.stat', 'fs.read', 'fs.list'])
      await refused(c.request(method, { path: p }), 'forbidden', `${method} ${p}`);
    await refused(c.request('fs.write', { path: p, data: 'x' }), p === 'home/dir' ? 'conflict' : 'forbidden', p); // a folder either way
  }
  for (const p of ['home/dir/new', 'home/proc/tmp/new'])
    for (const [method, more] of [['fs.mkdir', {}], ['fs.write', { data: 'x' }], ['fs.remove', { recursive: true }]])
      await refused(c.request(method, { path: p, ...more }), 'forbidden', `${method} ${p}`);
  await refused(c.request('fs.rename', { from: 'home/a.py', to: 'home/dir/canary', replace: true }), 'forbidden');
  await refused(c.request('fs.read', { path: 'home/fifo' }), 'conflict');
  const listed = await c.request('fs.list', { path: 'home' });
  assert.deepEqual(listed.map((e) => [e.name, e.type]), [['a.py', 'file'], ['abs', 'link'], ['bad\\xFF', 'file'], ['dir', 'link'], ['fifo', 'other'],
    ['inside', 'link'], ['loop', 'link'], ['proc', 'link'], ['rel', 'link']]);
  assert.equal((await c.request('fs.stat', { path: 'home/inside' })).type, 'file');
  await c.request('fs.write', { path: 'home/inside', data: 'through' });
  assert.equal(fs.readFileSync(path.join(home, 'a.py'), 'utf8'), 'through');
  for (const name of ['abs', 'rel', 'dir', 'proc', 'loop'])
    await c.request('fs.remove', { path: `home/${name}`, recursive: true });
  assert.equal(fs.readFileSync(outside, 'utf8'), 'canary');
});

test('limits of files and folders', async (t) => {
  const { client: c, home } = await start(t, { config: { limits: { file_bytes: 4096, list_entries: 100 } } });
  await c.request('fs.write', { path: 'home/full', data: 'x'.repeat(4096) });
  await refused(c.request('fs.write', { path: 'home/over', data: 'x'.repeat(4097) }), 'too_large');
  await refused(c.request('fs.write', { path: 'home/over', data: Buffer.alloc(4097).toString('base64'), encoding: 'base64' }), 'too_large');
  assert.equal((await c.request('fs.read', { path: 'home/full' })).data.length, 4096);
  fs.appendFileSync(path.join(home, 'full'), 'y');
  await refused(c.request('fs.read', { path: 'home/full' }), 'too_large');
  assert.equal((await c.request('fs.read', { path: 'home/full', offset: 1 })).data.at(-1), 'y');
  assert.equal((await c.request('fs.read', { path: 'home/full', length: 10 })).data, 'x'.repeat(10));
  await c.request('fs.mkdir', { path: 'home/d' });
  for (let i = 0; i < 100; i++)
    fs.writeFileSync(path.join(home, 'd', `${i}`), '');
  assert.equal((await c.request('fs.list', { path: 'home/d' })).length, 100);
  fs.writeFileSync(path.join(home, 'd', 'more'), '');
  await refused(c.request('fs.list', { path: 'home/d' }), 'too_large');
  await c.request('fs.remove', { path: 'home/d', recursive: true });
  assert.ok(!fs.existsSync(path.join(home, 'd')));
});

test('of saves with one etag, one wins', async (t) => {
  const { client: a, server } = await start(t);
  const others = [];
  for (let i = 0; i < 3; i++)
    others.push(await server.client(await server.login('admin', server.firstPassword)));
  let { etag } = await a.request('fs.write', { path: 'home/f', data: 'first' });
  for (let round = 0; round < 50; round++) {
    const all = await Promise.allSettled([a, ...others].map((c, i) =>
      c.request('fs.write', { path: 'home/f', data: `round ${round} by ${i}`, if_match: etag })));
    const won = all.flatMap((r, i) => (r.status === 'fulfilled' ? [i] : []));
    assert.equal(won.length, 1, JSON.stringify(all));
    for (const r of all)
      assert.ok(r.status === 'fulfilled' || r.reason.word === 'conflict', String(r.reason));
    const now = await a.request('fs.read', { path: 'home/f' });
    assert.equal(now.data, `round ${round} by ${won[0]}`);
    etag = now.etag;
    assert.equal(etag, all[won[0]].value.etag);
  }
});
