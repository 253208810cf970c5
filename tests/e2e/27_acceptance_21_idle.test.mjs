// ACCEPTANCE 21: input that comes within 5 ms of the idle limit is read before the limit counts: what was read
// gives the program its whole time again. Both on clocks of one machine: the program's own, and the holder's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { count, freely, inParallel } from './counts.mjs';
import { dice } from './flood.mjs';
import { slow, startServer } from './lib.mjs';

const full = process.env.COUNT === 'full';
const inputs = full ? 5000 : count(120, { asan: 48, tsan: 24 });
const IDLE = 400 * slow; // ms: a program begins in less
// Each line that it reads it answers with the time since it began, which is a little after the holder's clock began.
const CLOCKED = 'import sys, time\nbegan = time.monotonic()\nprint("ready", flush=True)\n' +
  'for line in sys.stdin: print(round((time.monotonic() - began) * 1e6), flush=True)\n';

test(`${inputs} inputs at the idle limit: what was read counts`, async (t) => {
  const server = await startServer(t, { config: freely });
  const ann = await server.user('ann');
  const c = await server.client(ann);
  const roll = dice(t);
  let typed = 0, read = 0, opened = 0;
  await c.write('home/clock.py', CLOCKED);
  const one = async (me) => {
    await c.write(`home/clock${me}.py`, CLOCKED);
    while (typed < inputs) {
      assert.ok(++opened <= 4 * inputs, 'programs begin before they are idle');
      const ch = await c.openSession({ kind: 'run', path: `home/clock${me}.py`, tty: false, limits: { idle_ms: IDLE } });
      const lines = () => ch.text.split('\n').length - 1;
      await c.waitFor(() => lines() > 0 || ch.exit, { what: 'ready' });
      if (lines() === 0)
        continue;
      for (let n = 1; !ch.exit && typed < inputs; n++) {
        const due = performance.now() + IDLE - 9 + roll(12); // the way there takes some
        await sleep(Math.max(0, due - performance.now()));
        if (ch.exit)
          break;
        typed++;
        ch.input('x\n');
        await c.waitFor(() => lines() > n || ch.exit, { what: 'an answer, or the end' });
      }
      const exit = await ch.waitExit();
      assert.equal(exit.verdict, 'idle');
      const answers = ch.text.trim().split('\n').slice(1).map(Number);
      read += answers.length;
      const last = answers.length > 0 ? answers.at(-1) / 1000 : 0;
      assert.ok(exit.usage.wall_ms >= last + IDLE - 2, // both are cut to milliseconds
        `it read at ${last} ms, and was ended at ${exit.usage.wall_ms} ms`);
    }
  };
  await inParallel([0, 1, 2, 3, 4, 5, 6, 7], 8, one);
  t.diagnostic(`${typed} typed, ${read} were in time`);
  assert.ok(read > 0 && read < typed, 'some were in time, some were not');
});
