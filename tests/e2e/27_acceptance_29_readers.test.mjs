// ACCEPTANCE 29: one source, many readers that come at any time: each that moves gets the source's bytes from its
// offset on, each that stalled goes on behind a gap that it is told, and nobody hears of an end before there is one.
// also under tsan
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { count } from './counts.mjs';
import { dice } from './flood.mjs';
import { startServer } from './lib.mjs';

const full = process.env.COUNT === 'full';
const mebibytes = full ? 400 : count(12, { asan: 6, tsan: 3 });
const many = full ? 63 : count(32, { asan: 20, tsan: 12 }); // and who opened it

// Line n is at 12 * n; through a pipe, so that what is not kept is a gap. It waits for a word, and goes at its pace.
const SOURCE = (total, a_second) => `
import os, sys, time
sys.stdin.readline()
began, n, total, pace = time.monotonic(), 0, ${total}, ${a_second}
def say(data):
    while data: data = data[os.write(1, data):]
while n * 12 < total:
    say(b''.join(b'%011d\\n' % i for i in range(n, n + 1000)))
    n += 1000
    late = n * 12 / pace - (time.monotonic() - began) if pace else 0
    if late > 0: time.sleep(late)
`;

function source(from, to) {
  const first = Math.floor(from / 12), lines = [];
  for (let n = first; n * 12 < to; n++)
    lines.push(`${String(n).padStart(11, '0')}\n`);
  return Buffer.from(lines.join('')).subarray(from - first * 12, to - first * 12);
}

const hash = (...pieces) => pieces.reduce((h, p) => h.update(p), createHash('sha256')).digest('hex');

// Pieces that lie end to end are one; each hashes to what the source has there.
function judge(ch, name) {
  let at = ch.first, total = 0;
  for (const f of ch.frames) {
    for (let gap; f.offset !== at && (gap = ch.gaps.find((g) => g.from === at));)
      at = gap.to;
    assert.equal(f.offset, at, `${name}: the next byte, or a gap that was told`);
    assert.equal(hash(f.data), hash(source(at, at + f.data.length)), `${name} at ${at}`);
    at += f.data.length;
    total += f.data.length;
  }
  assert.equal(total + ch.gaps.reduce((n, g) => n + g.to - g.from, 0), ch.exit.offset - ch.first, name);
}

async function play(t, { viewers, stalled, pace, total }) {
  const server = await startServer(t, { config: { limits: { viewers_per_session: 64, sockets_per_user: 200 }, run: { output_bytes: 0 } } });
  const ann = await server.user('ann');
  const roll = dice(t);
  const driver = await server.client(ann);
  await driver.write('home/source.py', SOURCE(total, pace));
  const ch = await driver.openSession({ kind: 'run', path: 'home/source.py', tty: false });
  ch.input('go\n');
  const sleepers = [], movers = [];
  await Promise.all(Array.from({ length: viewers }, async (_, i) => {
    const late = i < stalled ? 100 : 600; // thousandths of it all: who stalls is overrun
    await sleep(roll(pace ? total / pace * late : 100));
    const c = await server.client(ann, { autoAck: i >= stalled });
    const since = i >= stalled && roll(2) ? roll(ch.next + 1) : 0;
    const v = await c.attach(ch.session, { role: 'viewer', since });
    assert.equal(v.first, since);
    assert.equal(v.reply.replay, 'exact');
    assert.equal(v.exit, undefined);
    (i < stalled ? sleepers : movers).push(v);
  }));
  const exit = await ch.waitExit({ timeout: 60000 });
  assert.equal(exit.code, 0);
  assert.ok(exit.offset >= total);
  for (const v of sleepers) { // a window's worth, and no end
    assert.equal(v.exit, undefined);
    assert.ok(v.inFlight <= v.client.hello.limits.window_bytes);
    v.autoAck = true;
    v.ack();
  }
  for (const v of [...sleepers, ...movers])
    await v.waitExit({ timeout: 30000 });
  judge(ch, 'the driver');
  assert.equal(ch.gaps.length, 0);
  for (const v of movers)
    judge(v, `viewer ${v.client.key}`);
  for (const v of sleepers) {
    assert.ok(v.gaps.length > 0, 'it goes on behind a gap');
    judge(v, `stalled ${v.client.key}`);
  }
}

test(`4 viewers of ${mebibytes} MiB as fast as it goes`, (t) => play(t, { viewers: 4, stalled: 0, pace: 0, total: mebibytes << 20 }));
test(`${many} viewers of 1 MB a second, 8 of them stalled`, (t) => {
  const total = full ? 20e6 : 2.5e6; // who stalls for 30 s is sent away
  return play(t, { viewers: many, stalled: Math.min(8, many / 4), pace: 1e6, total });
});
