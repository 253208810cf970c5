// ACCEPTANCE 11: one counter per user over all sockets and threads. Ten sockets of one user fire 1,000 runs at
// once: exactly as many start as may, and every other one hears when to try again.
// also under tsan
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { count } from './counts.mjs';
import { Server } from './lib.mjs';

const SOCKETS = 10;
const ALLOWED = 6; // and one more every ten seconds
const RUNS = count(1000, { asan: 1000, tsan: 500 });

test(`11: ${RUNS} runs at once from ten sockets start exactly ${ALLOWED}`, async (t) => {
  const server = await Server.start({ config: { limits: { runs_per_minute: ALLOWED } } });
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  const clients = await Promise.all(Array.from({ length: SOCKETS }, () => server.client(ann)));
  const bob = await server.client(await server.user('bob'));
  const shell = await clients[0].openSession({ kind: 'shell', cols: 80, rows: 24 }); // a shell is no run
  shell.input(`cd /work/home; for i in $(seq ${RUNS}); do echo 'import time; time.sleep(600)' > r$i.py; done; echo made''all\n`);
  await shell.waitText('madeall', { timeout: 30000 });

  const began = Date.now();
  const results = await Promise.all(Array.from({ length: RUNS }, (_, i) =>
    clients[i % SOCKETS].openSession({ kind: 'run', path: `home/r${i + 1}.py`, tty: false })
      .then(() => ({ started: true }), (e) => ({ error: e }))));
  const back = Math.floor((Date.now() - began) / (60000 / ALLOWED));

  const started = results.filter((r) => r.started).length;
  assert.ok(started >= ALLOWED && started <= ALLOWED + back, `${started} started, ${back} came back meanwhile`);
  for (const { error } of results.filter((r) => r.error)) {
    assert.ok(['rate_limited', 'busy'].includes(error.word), error.message); // busy: as many as may wait do wait
    assert.ok(error.data.retry_after_ms > 0, error.message);
  }
  assert.ok(results.some((r) => r.error?.word === 'rate_limited'));
  const runs = (await clients[0].request('session.list', {})).filter((s) => s.kind === 'run');
  assert.equal(runs.length, started, 'no program runs that nobody was told of');
  assert.ok(runs.every((s) => s.state === 'running'));

  await bob.runProgram('home/a.py', 'print("bob")'); // another's count is another
  t.diagnostic(`${started} started of ${RUNS} in ${Date.now() - began} ms`);
});
