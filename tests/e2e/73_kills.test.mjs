// A server that dies at any moment loses nothing: kill -9 of latchd, ends of its spawner, and holders that are
// stopped, under a program that puts out as fast as it can, with a driver and three viewers.
// as released
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { count, freely } from './counts.mjs';
import { dice, Flood, PATH } from './flood.mjs';
import { processStatus, Server, until } from './lib.mjs';

const full = process.env.COUNT === 'full';
const kills = full ? 200 : count(20, { asan: 8, tsan: 3 });
const named = (server, name) => server.survivors().filter((pid) => processStatus(pid)?.Name === name);

// A flood of two hundred deaths is more than any limit of a run.
async function start(t) {
  const server = await Server.start({ config: { ...freely, run: { output_bytes: 0, cpu_ms: 0 } } });
  t.after(() => server.destroy());
  return [server, await server.user('ann')];
}

// The server dies, one way or the other, and the next one is there.
async function die(server, how) {
  if (how === 'spawner') {
    process.kill(named(server, 'latch-spawn')[0], 'SIGKILL');
    assert.equal((await server.exited).code, 1);
  } else {
    await server.kill9();
  }
}

test(`${kills} deaths of the server under a flood: exact, or with the gaps told`, async (t) => {
  const [server, ann] = await start(t);
  const roll = dice(t);
  const flood = await Flood.open(server, ann);
  for (let i = 0; i < kills; i++) {
    const joining = flood.join(server, ann);
    if (roll(3) > 0) // else it dies while they come
      assert.deepEqual(await joining, []);
    for (let n = roll(4); n > 0; n--) {
      await sleep(roll(25));
      flood.type();
    }
    await sleep(roll(60));
    await die(server, i % 5 === 4 ? 'spawner' : 'latchd');
    await joining;
    flood.take();
    await server.restart();
  }
  assert.deepEqual(await flood.join(server, ann), []);
  await flood.finish();
  const gaps = flood.viewers.map((v) => `${v.gaps} gaps of ${v.gapBytes}`).join(', ');
  t.diagnostic(`${flood.driver.next} bytes, ${flood.echoes} lines echoed; viewers: ${gaps}`);
  const c = await server.client(ann);
  assert.equal((await c.openSession({ kind: 'run', path: PATH, cols: 80, rows: 24 })).reply.driver, true, 'its file is free');
});

// Half of the server's deaths find the holder asleep, too: the next server hears nothing from it.
test('holders that are stopped and go on, also while the server dies', async (t) => {
  const [server, ann] = await start(t);
  const roll = dice(t);
  const flood = await Flood.open(server, ann);
  const [holder] = named(server, 'latch-hold');
  assert.deepEqual(await flood.join(server, ann), []);
  const rounds = full ? 50 : count(4, { asan: 2, tsan: 2 });
  for (let i = 0; i < rounds; i++) {
    flood.type();
    await sleep(roll(20));
    process.kill(holder, 'SIGSTOP');
    flood.type();
    if (i % 2 === 0) {
      await die(server, 'latchd');
      flood.take();
      await server.restart();
      const c = await server.client(ann);
      const [listed] = await c.request('session.list', {});
      assert.equal(listed.session, flood.session);
      assert.notEqual(listed.state, 'ended');
      await assert.rejects(c.openSession({ kind: 'run', path: PATH, cols: 80, rows: 24 }), (e) => e.word === 'busy');
    }
    process.kill(holder, 'SIGCONT');
    await until(async () => { // until it was heard, it does not answer
      const failed = await flood.join(server, ann);
      assert.deepEqual(failed.filter((e) => e.word !== 'unavailable'), []);
      return failed.length === 0;
    }, { what: 'the holder to answer again' });
  }
  await flood.finish();
});

test('a holder that is killed under a flood: lost, its tree gone, its file free', async (t) => {
  const [server, ann] = await start(t);
  const flood = await Flood.open(server, ann);
  assert.deepEqual(await flood.join(server, ann), []);
  await until(() => flood.all.every((s) => s.channel.next > 1 << 20), { what: 'a flood' });
  process.kill(named(server, 'latch-hold')[0], 'SIGKILL');
  for (const s of flood.all)
    assert.equal((await s.channel.waitExit()).verdict, 'lost');
  flood.take();
  await until(() => server.survivors().every((p) => ['latch-spawn', undefined].includes(processStatus(p)?.Name)), { what: 'its tree to be gone' });
  const again = await flood.driver.client.openSession({ kind: 'run', path: PATH, cols: 80, rows: 24 });
  await flood.driver.client.waitFor(() => again.next > 0, { what: 'output' });
});
