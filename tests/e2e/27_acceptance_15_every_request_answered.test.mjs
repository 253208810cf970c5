// ACCEPTANCE 15: every request is answered, whatever fails: the faults of 3, and a client that waits for a second
// (and for a password's hash as long as one takes here).
// runs alone
// also under tsan
import assert from 'node:assert/strict';
import test from 'node:test';

import { Faults, asker, closeAll, faults, moreTokens, requests, startOnSmallDisk } from './faults.mjs';
import { freely } from './counts.mjs';
import { isRoot } from './lib.mjs';

const config = { ...freely, auth: { failures_per_minute: 1000 } };
const DEAR = ['login', 'renew']; // a password's hash, a token: once each time
const DEADLINE_MS = 1000; // times LATCH_SLOW

// All that can be asked, at once. Every answer comes in time, and one for each request: the client complains of
// a second one, and of a reply that nothing asked for.
async function flood(w, times) {
  w.deadline = DEADLINE_MS;
  const names = Object.keys(requests).flatMap((name) => Array(DEAR.includes(name) ? 1 : times).fill(name));
  const answers = await Promise.all(names.map(async (name) => {
    try {
      return await requests[name](w);
    } catch (e) {
      throw new Error(`${name} was not answered: ${e.message}`);
    }
  }));
  w.deadline = 10000;
  assert.equal(answers.length, names.length);
  assert.deepEqual(w.client.violations, []);
  assert.deepEqual(w.client.strays, []);
  assert.equal(w.client.waiting.size, 0);
  return answers.filter((r) => !r.ok).length;
}

const times = () => (process.env.COUNT === 'full' ? 3 : 1);

test('15 a full disk', { skip: !isRoot && 'mounting a small disk needs root' }, async (t) => {
  const disk = await startOnSmallDisk(t, 8 << 20, { config });
  const w = await asker(disk.server);
  await moreTokens(w, 1);
  disk.fill();
  assert.ok(await flood(w, times()) > 0);
  disk.empty();
});

test('15 each call that may fail', async (t) => {
  const f = await Faults.start(t, { config });
  const w = await asker(f.server);
  await moreTokens(w, faults.length);
  for (const fault of faults)
    await t.test(`15 ${fault.name}`, async () => {
      f.arm(fault);
      assert.ok(await flood(w, times()) > 0);
      assert.ok(f.hits(fault) > 0, 'the fault struck nothing');
      f.stop();
      await closeAll(w);
    });
});
