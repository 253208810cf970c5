// fs.search: by content and by name, with ripgrep and without; bounded; in the cage, and leaving nothing behind.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { startServer, until } from './lib.mjs';

async function start(t, options) {
  const server = await startServer(t, options);
  const ann = await server.user('ann');
  const c = await server.client(ann);
  const search = (params) => c.request('fs.search', { path: '', ...params });
  return { server, ann, c, search, home: path.join(server.data, 'users/ann/home') };
}

const places = (r) => r.matches.map((m) => `${m.path}:${m.line}:${m.column}`);
const paths = (r) => r.matches.map((m) => m.path);

for (const [what, sandbox] of [['ripgrep', {}], ['grep', { ripgrep: '' }]]) {
  test(`by content, with ${what}`, async (t) => {
    const { c, search, home, server } = await start(t, { config: { sandbox } });
    await c.request('fs.mkdir', { path: 'home/d' });
    await c.request('fs.mkdir', { path: 'home/.git' });
    await c.write('home/a.py', 'first\nneedle = 1\n  Needle\n');
    await c.write('home/d/b.txt', 'x needle.* y\n');
    await c.write('home/d/-e', 'needle\n');
    await c.write('home/.git/c', 'needle\n');
    await c.write('home/.hidden', 'a needle\n');
    await c.request('fs.write', { path: 'home/binary', data: Buffer.from('needle\0needle\n').toString('base64'),
      encoding: 'base64' });
    fs.writeFileSync(path.join(home, 'line\nbreak'), 'one\nneedle\n');
    fs.mkdirSync(path.join(server.data, 'courses/c'), { recursive: true });
    fs.writeFileSync(path.join(server.data, 'courses/c/n.md'), 'needle\n');

    const all = await search({ text: 'needle' });
    assert.deepEqual(places(all), ['courses/c/n.md:1:1', 'home/.hidden:1:3', 'home/a.py:2:1', 'home/a.py:3:3',
      'home/d/-e:1:1', 'home/d/b.txt:1:3', 'home/line\nbreak:2:1']);
    assert.equal(all.truncated, false);
    assert.equal(all.matches[2].text, 'needle = 1');
    assert.deepEqual(places(await search({ path: 'home/a.py', text: 'needle', case: true })), ['home/a.py:2:1']);
    assert.deepEqual(places(await search({ path: 'home/d', text: 'needle.*' })), ['home/d/b.txt:1:3']);
    assert.deepEqual(paths(await search({ path: 'home', text: '^n[e]+dle', regex: true })),
      ['home/a.py', 'home/d/-e', 'home/line\nbreak']);
    assert.deepEqual(paths(await search({ text: 'needle', glob: '*.txt' })), ['home/d/b.txt']);
    const two = await search({ text: 'needle', max: 2 });
    assert.equal(two.matches.length, 2);
    assert.equal(two.truncated, true);
    for (const text of ['$(touch home/x)', '`touch x`', '--pre=touch', "';touch x;'", '-f/etc/passwd'])
      assert.deepEqual(await search({ text }), { matches: [], truncated: false }, text);
    await assert.rejects(search({ text: '(', regex: true }), /no regular expression/);
    assert.deepEqual(fs.readdirSync(home).sort(), ['.git', '.hidden', 'a.py', 'binary', 'd', 'line\nbreak']);
  });
}

test('by name', async (t) => {
  const { c, search } = await start(t);
  await c.request('fs.mkdir', { path: 'home/Lists' });
  for (const f of ['list.py', 'a[1].txt', 'my-list', '-name'])
    await c.write(`home/Lists/${f}`, '');
  assert.deepEqual((await search({ name: 'list' })).matches, [
    { path: 'home/Lists', type: 'dir' }, { path: 'home/Lists/list.py', type: 'file' },
    { path: 'home/Lists/my-list', type: 'file' }]);
  assert.deepEqual(paths(await search({ name: 'list', case: true, glob: '*.py' })), ['home/Lists/list.py']);
  assert.deepEqual(paths(await search({ name: '[1]' })), ['home/Lists/a[1].txt']);
  assert.deepEqual(paths(await search({ name: '-name' })), ['home/Lists/-name']);
  assert.deepEqual(paths(await search({ name: '^l.*y$', regex: true })), ['home/Lists/list.py']);
  assert.deepEqual(paths(await search({ name: 'st$', regex: true })), ['home/Lists/my-list']);
  await assert.rejects(search({ name: '(', regex: true }), /no regular expression/);
});

test('what is no search is said', async (t) => {
  const { c, search, home } = await start(t);
  fs.symlinkSync('/etc', path.join(home, 'etc'));
  await assert.rejects(search({}), /either text or name/);
  await assert.rejects(search({ text: 'a', name: 'b' }), /either text or name/);
  await assert.rejects(search({ text: '' }), /1 to 1000/);
  await assert.rejects(search({ text: 'a\nb' }), /within a line/);
  await assert.rejects(search({ name: 'a/b' }), /no '\/'/);
  await assert.rejects(search({ text: 'a', glob: '!x' }), /glob/);
  await assert.rejects(search({ text: 'a', max: 0 }), /max/);
  await assert.rejects(search({ path: 'home/none', text: 'a' }), { word: 'not_found' });
  await assert.rejects(search({ path: 'home/etc', text: 'root' }), { word: 'forbidden' });
  assert.deepEqual((await search({ text: 'root' })).matches, [], 'links are not followed');
  await c.write('home/long', `${'x'.repeat(40000)}needle\n`);
  const long = await search({ text: 'needle' });
  assert.equal(long.matches[0].column, 40001);
  assert.ok(long.matches[0].text.length <= 512);
});

test('it has a time, one at once, and ends with its client', async (t) => {
  const { c, ann, search, home, server } = await start(t,
    { config: { sandbox: { ripgrep: '' }, limits: { search_ms: 5000 } } });
  // A back-reference makes grep look at every way to split the line.
  fs.writeFileSync(path.join(home, 'slow'), `aaaaac${'a'.repeat(400)}b\n`.repeat(20000));
  const slowly = { text: '(a+)(a+)(a+)(a+)\\1\\2\\3\\4c', regex: true };
  const second = await server.client(ann);
  const idle = server.survivors().length;
  const searching = (what) => until(() => server.survivors().length > idle, { what });
  const ended = (what) => until(() => server.survivors().length <= idle, { what });
  const began = performance.now();
  const first = search({ path: 'home', ...slowly });
  await searching('its holder');
  await assert.rejects(second.request('fs.search', { path: '', text: 'x' }), { word: 'busy' });
  const cut = await first;
  assert.equal(cut.truncated, true);
  assert.ok(performance.now() - began < 20000);
  await ended('the first holder to end');
  second.request('fs.search', { path: 'home', ...slowly }).catch(() => {});
  await searching('the second holder');
  second.terminate();
  await ended('the second holder to end');
  // The server hears of that end a moment later than we do.
  const found = await until(() => search({ path: 'home', text: 'zzz' }).catch((e) => { assert.equal(e.word, 'busy'); }));
  assert.deepEqual(found.matches, []);
  assert.deepEqual(await c.request('session.list', {}), [], 'a search is no session');
});
