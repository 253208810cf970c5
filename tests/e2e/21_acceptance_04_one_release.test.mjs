// ACCEPTANCE 4: one place releases a run's lease, the exit of its cage.
// Finish, stop, timeout and disconnect in the same millisecond, again and again: one exit notice each, as
// many released as started, and the next run of the same file starts.
// also under tsan
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server, slow } from './lib.mjs';
import { count, freely, inParallel } from './counts.mjs';

const END_MS = 150 * slow; // what comes before it and after it lies as much further apart

test('04: finish, stop, timeout and disconnect race, and the file runs again each time', async (t) => {
  const rounds = count(1000, { asan: 30, tsan: 24 });
  const width = 4;
  const server = await Server.start({ config: freely });
  t.after(() => server.destroy());
  const users = [];
  for (let i = 0; i < width; i++) users.push(await server.user(`user${i}`));
  const verdicts = {};
  let started = 0, exits = 0;

  await inParallel(users, width, async (u) => {
    const watcher = await server.client(u); // sees every session through, whoever disconnects
    await watcher.write('home/race.py', `import time, sys\ntime.sleep(float(sys.argv[1]))\n`);
    for (let i = 0; i < rounds / width; i++) {
      const opener = await server.client(u);
      const jitter = ((i % 7) - 3) * 10 * slow; // the program's own end, around the limit
      const stopAfter = END_MS + ((i % 6) * 30 - 120) * slow; // clearly before, about at, and clearly after it
      const ch = await opener.openSession({
        kind: 'run', path: 'home/race.py', args: [String((END_MS + jitter - 60 * slow) / 1000)],
        cols: 80, rows: 24, limits: { wall_ms: END_MS },
      }); // a second start while one lives would be refused as busy: this is the proof of release
      started++;
      const view = await watcher.attach(ch.session, { since: 0, role: 'viewer' });
      const stop = new Promise((r) => setTimeout(r, stopAfter)).then(() =>
        watcher.request('session.stop', { session: ch.session }).catch((e) => {
          if (e.word !== 'not_found') throw e;
        }));
      const leave = new Promise((r) => setTimeout(r, END_MS - 20 + (i % 5))).then(() => opener.terminate());
      const exit = await view.waitExit({ timeout: 20_000 });
      verdicts[exit.verdict] = (verdicts[exit.verdict] ?? 0) + 1;
      exits++;
      await Promise.all([stop, leave]);
      const notices = watcher.notifications.filter((n) => n.method === 'session.exit' && n.params.session === ch.session);
      assert.equal(notices.length, 1, 'one exit notice');
      await watcher.request('session.close', { session: ch.session });
    }
    const last = await watcher.runProgram('home/race.py', undefined, { args: ['0'] });
    assert.equal(last.exit.verdict, 'exited', 'the next run starts');
    assert.deepEqual(watcher.violations, []);
    const left = (await watcher.request('session.list', {})).filter((s) => s.state === 'running');
    assert.deepEqual(left, [], 'released = started');
  });
  assert.equal(exits, started);
  t.diagnostic(`verdicts of ${started} races: ${JSON.stringify(verdicts)}`);
  assert.ok(Object.keys(verdicts).length >= 2, 'the race was a race');
  for (const v of Object.keys(verdicts)) assert.ok(['exited', 'stopped', 'timeout'].includes(v), v);
});

test('04: a second run of the same file by the same user is busy, and names the first', async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  const bob = await server.user('bob');
  const c = await server.client(ann);
  await c.write('home/loop.py', 'while True: pass\n');
  const first = await c.openSession({ kind: 'run', path: 'home/loop.py', cols: 80, rows: 24 });
  const other = await server.client(ann);
  await assert.rejects(other.openSession({ kind: 'run', path: 'home/loop.py', cols: 80, rows: 24 }), (e) => {
    assert.equal(e.word, 'busy');
    assert.equal(e.data.session, first.session);
    return true;
  });
  const b = await server.client(bob); // the same path of another user is another file
  await b.runProgram('home/loop.py', 'print(1)\n');
  await other.request('session.stop', { session: first.session });
  assert.equal((await first.waitExit()).verdict, 'stopped');
  const again = await other.openSession({ kind: 'run', path: 'home/loop.py', cols: 80, rows: 24 });
  await other.request('session.stop', { session: again.session });
  await again.waitExit();
});
