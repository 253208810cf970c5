// fs.watch: what programs and other clients do in a folder is told, each name once; a storm is one rescan
// and costs nobody else; a watch ends with its folder and with its socket.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { slow, startServer, until } from './lib.mjs';

async function start(t, options) {
  const server = await startServer(t, options);
  const ann = await server.user('ann');
  const c = await server.client(ann);
  return { server, ann, c, home: path.join(server.data, 'users/ann/home') };
}

const changes = (c, watch) => c.notifications.filter((n) => n.method === 'fs.changed' && n.params.watch === watch)
  .map((n) => `${n.params.change} ${n.params.path}`);

async function heard(c, watch, wanted) {
  await c.waitFor(() => changes(c, watch).includes(wanted),
    { what: () => `${wanted}; heard ${JSON.stringify(changes(c, watch))}` });
}

test('a folder: what a program makes, changes, moves and removes', async (t) => {
  const { server, ann, c } = await start(t);
  await c.request('fs.mkdir', { path: 'home/d' });
  const { watch } = await c.request('fs.watch', { path: 'home/d' });
  assert.equal(watch, 1);
  await c.runProgram('home/a.py', 'open("d/x", "w").write("1")');
  await heard(c, watch, 'created home/d/x');
  await c.runProgram('home/a.py', 'open("d/x", "a").write("2")');
  await heard(c, watch, 'changed home/d/x');
  await c.runProgram('home/a.py', 'import os; os.rename("d/x", "d/y")');
  await heard(c, watch, 'removed home/d/x');
  await heard(c, watch, 'created home/d/y');
  await c.runProgram('home/a.py', 'import os; os.remove("d/y")');
  await heard(c, watch, 'removed home/d/y');

  // A save is a rename into place: new the first time, a change the second.
  const other = await server.client(ann);
  await other.write('home/d/saved', 'one');
  await heard(c, watch, 'created home/d/saved');
  await other.write('home/d/saved', 'two');
  await heard(c, watch, 'changed home/d/saved');
  assert.equal(changes(c, watch).filter((w) => w === 'created home/d/saved').length, 1);

  // Nothing of what lies beneath it, and nothing beside it.
  await other.request('fs.mkdir', { path: 'home/d/e' });
  await heard(c, watch, 'created home/d/e');
  await other.write('home/d/e/deep', '');
  await other.write('home/beside', '');
  await other.write('home/d/last', '');
  await heard(c, watch, 'created home/d/last');
  assert.ok(!changes(c, watch).some((w) => /deep|beside/.test(w)), changes(c, watch).join());

  await c.request('fs.unwatch', { watch });
  await c.request('fs.unwatch', { watch }); // it is gone already: as asked
  await assert.rejects(c.request('fs.unwatch', { watch: 99 }), { word: 'not_found' });
  await other.write('home/d/unheard', '');
  const again = await c.request('fs.watch', { path: 'home/d' });
  assert.equal(again.watch, 2, 'numbers are never used twice');
  await other.write('home/d/heard', '');
  await heard(c, 2, 'created home/d/heard');
  assert.ok(!changes(c, watch).includes('created home/d/unheard'));
});

test('one file, also through a link', async (t) => {
  const { c, home } = await start(t);
  await c.write('home/f', 'a');
  await c.write('home/g', 'a');
  fs.symlinkSync('f', path.join(home, 'to-f'));
  const { watch } = await c.request('fs.watch', { path: 'home/f' });
  const { watch: link } = await c.request('fs.watch', { path: 'home/to-f' });
  await c.write('home/g', 'b');
  await c.write('home/f', 'b');
  await heard(c, watch, 'changed home/f');
  await heard(c, link, 'changed home/to-f');
  await c.request('fs.remove', { path: 'home/f' });
  await heard(c, watch, 'removed home/f');
  assert.ok(!changes(c, watch).some((w) => w.endsWith('home/g')));
});

test('it ends with its folder', async (t) => {
  const { c, home } = await start(t);
  for (const d of ['a', 'b', 'c'])
    await c.request('fs.mkdir', { path: `home/${d}` });
  const watches = {};
  for (const d of ['a', 'b', 'c'])
    watches[d] = (await c.request('fs.watch', { path: `home/${d}` })).watch;
  fs.rmdirSync(path.join(home, 'a'));
  await c.request('fs.rename', { from: 'home/b', to: 'home/b2' });
  await c.write('home/c/full', '');
  await c.request('fs.remove', { path: 'home/c', recursive: true });
  for (const d of ['a', 'b', 'c'])
    await heard(c, watches[d], `removed home/${d}`);
  await c.write('home/b2/x', '');
  await c.request('fs.mkdir', { path: 'home/a' });
  const { watch } = await c.request('fs.watch', { path: 'home/a' });
  await c.write('home/a/x', '');
  await heard(c, watch, 'created home/a/x');
  assert.ok(!changes(c, watches.b).some((w) => w.includes('x')));
});

test('never outside, never too many', async (t) => {
  const { c, home, server, ann } = await start(t, { config: { limits: { watches_per_user: 4 } } });
  fs.symlinkSync('/etc', path.join(home, 'etc'));
  fs.symlinkSync('../../..', path.join(home, 'up'));
  await assert.rejects(c.request('fs.watch', { path: 'home/etc' }), { word: 'forbidden' });
  await assert.rejects(c.request('fs.watch', { path: 'home/up' }), { word: 'forbidden' });
  await assert.rejects(c.request('fs.watch', { path: 'home/none' }), { word: 'not_found' });
  await assert.rejects(c.request('fs.watch', { path: '../..' }), /parts between/);
  const other = await server.client(ann);
  await c.request('fs.watch', { path: '' }); // where nothing ever changes
  await c.request('fs.watch', { path: 'home' });
  await other.request('fs.watch', { path: 'home' });
  await other.request('fs.watch', { path: 'courses' });
  await assert.rejects(c.request('fs.watch', { path: 'home' }), { word: 'limit_reached' });
  await other.close();
  await until(async () => {
    try {
      return await c.request('fs.watch', { path: 'home' });
    } catch (e) {
      assert.equal(e.word, 'limit_reached');
      return false;
    }
  }, { what: 'the watches of a closed socket to end' });
});

test('a storm is a rescan, and the others do not feel it', async (t) => {
  const { c, server } = await start(t);
  const bob = await server.client(await server.user('bob'));
  await bob.write('home/x', '0');
  await c.request('fs.mkdir', { path: 'home/d' });
  const { watch } = await c.request('fs.watch', { path: 'home/d' });
  const before = rss(server.pid);
  const storm = c.runProgram('home/a.py', `
for i in range(10000):
    open(f"d/{i:05d}-{'n' * 200}", "w").close()
print("done")
`, { timeout: 60000 });
  let over = false, worst = 0, asked = 0;
  storm.finally(() => (over = true));
  while (!over) {
    const began = performance.now();
    await bob.request('fs.stat', { path: 'home/x' });
    worst = Math.max(worst, performance.now() - began);
    asked++;
  }
  assert.match((await storm).text, /done/);
  await heard(c, watch, 'rescan home/d');
  await c.write('home/d/after', '');
  await c.waitFor(() => changes(c, watch).slice(-1)[0] === 'created home/d/after' ||
    changes(c, watch).filter((w) => w.startsWith('rescan')).length > 1, { what: 'a word after the storm' });
  assert.ok(changes(c, watch).length < 2000, `${changes(c, watch).length} notifications`);
  assert.ok(worst < 2000 * slow, `a stat took ${worst} ms, of ${asked}`);
  const grown = rss(server.pid) - before;
  assert.ok(slow > 1 || grown < 16 << 20, `memory grew by ${grown}`);
  t.diagnostic(`${asked} stats beside it, the slowest ${worst.toFixed(1)} ms; ` +
    `${changes(c, watch).length} notifications; ${grown >> 10} KiB more`);
});

function rss(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) << 10;
}
