// ACCEPTANCE 33: the lost tail of a short job. 1,000 x `echo x; exit`: every byte before every exit.
// also under tsan
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server } from './lib.mjs';
import { count, freely, inParallel } from './counts.mjs';

for (const tty of [true, false])
  test(`33: every byte of a short job comes before its exit (${tty ? 'terminal' : 'pipes'})`, async (t) => {
    const jobs = count(500, { asan: 30, tsan: 12 }); // twice, as two tests
    const server = await Server.start({ config: freely });
    t.after(() => server.destroy());
    const width = 4;
    const c = await server.client(await server.user('ann'));
    for (let w = 0; w < width; w++) await c.write(`home/short${w}.sh`, 'echo "$1"; exit 7\n');
    let done = 0;
    await inParallel([...Array(width).keys()], width, async (w) => {
      for (let i = w; i < jobs; i += width) {
        const ch = await c.runProgram(`home/short${w}.sh`, undefined, { args: [`x${i}`], tty, timeout: 60_000 });
        // the client has checked that exit.offset is where the bytes end, and that none came after it
        assert.equal(ch.text, tty ? `x${i}\r\n` : `x${i}\n`);
        assert.equal(ch.exit.code, 7);
        assert.equal(ch.exit.verdict, 'exited');
        done++;
        await c.request('session.close', { session: ch.session });
      }
    });
    assert.equal(done, jobs);
    assert.deepEqual(c.violations, []);
  });

test('33: a large tail too, with a client that is slow to acknowledge', async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const c = await server.client(await server.user('ann'), { autoAck: false });
  await c.write('home/tail.py', 'import sys\nsys.stdout.write("x" * 999_999 + "!")\n');
  const ch = await c.openSession({ kind: 'run', path: 'home/tail.py', cols: 80, rows: 24, tty: false });
  for (let want = 100_000; want <= 1_000_000; want += 100_000) {
    await c.waitFor(() => ch.next >= want, { what: `byte ${want}` });
    assert.ok(!ch.exit || ch.next === 1_000_000, 'no exit before the last byte');
    ch.ack();
  }
  await ch.waitExit();
  assert.equal(ch.next, 1_000_000);
  assert.equal(ch.text.at(-1), '!');
});
