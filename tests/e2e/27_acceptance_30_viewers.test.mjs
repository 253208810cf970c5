// ACCEPTANCE 30: who is one too many is refused before anything is allocated, and nobody is evicted for it; a seat that
// is freed is free at once. Storms of reconnections: 27_acceptance_30_storms.
// also under tsan
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { count, freely } from './counts.mjs';
import { slow, startServer, until } from './lib.mjs';
import { Raw } from './raw.mjs';

const crowd = count(200, { asan: 64, tsan: 40 });
const SEATS = 8;
const ECHO = 'import sys, tty\ntty.setraw(0)\nprint("ready", end="", flush=True)\n' +
  'while (c := sys.stdin.buffer.raw.read(64)): sys.stdout.buffer.raw.write(c)\n';

async function start(t) {
  const server = await startServer(t, { config: {
    server: { max_sockets: crowd + 32 },
    limits: { ...freely.limits, sockets_per_user: crowd + 32 },
  } });
  const ann = await server.user('ann');
  const driver = await server.client(ann);
  await driver.write('home/echo.py', ECHO);
  const ch = await driver.openSession({ kind: 'run', path: 'home/echo.py', cols: 101, rows: 37 });
  await ch.waitText('ready');
  return { server, ann, driver, ch };
}

const tries = (server, ann, session) => Array.from({ length: crowd }, (_, i) => (i % 2
  ? Raw.open(server, ann, session, '?role=viewer').then((raw) => ({ raw }))
  : server.client(ann).then(async (c) => {
    try {
      return { channel: await c.attach(session, { role: 'viewer' }) };
    } catch (no) {
      return { no, client: c };
    }
  })));

test(`${crowd} come at once: ${SEATS - 1} beside the opener get in, and all hear an echo in 100 ms`, async (t) => {
  const { server, ann, driver, ch } = await start(t);
  const all = await Promise.all(tries(server, ann, ch.session));
  const raws = all.filter((a) => a.raw).map((a) => a.raw);
  const refused = all.filter((a) => a.no);
  for (const { no } of refused) {
    assert.equal(no.word, 'limit_reached');
    assert.equal(no.data.holders.length, SEATS);
    assert.equal(no.data.holders.filter((h) => h.role === 'driver').length, 1);
    for (const h of no.data.holders)
      assert.ok(['driver', 'viewer'].includes(h.role) && h.age_s >= 0 && h.idle_s >= 0);
  }
  const channels = all.filter((a) => a.channel).map((a) => a.channel);
  const seated = SEATS - 1 - channels.length; // of raw sockets: the others are closed
  const ends = [];
  for (const r of raws)
    void r.closed.then((end) => ends.push(end));
  await until(() => ends.length >= raws.length - seated, { what: 'those without a seat to be closed', timeout: 10000 });
  assert.equal(ends.length, raws.length - seated);
  for (const end of ends)
    assert.deepEqual(end, { code: 1013, reason: 'too many connections for this session' });
  const inside = raws.filter((r) => !r.end);
  assert.equal(channels.length + inside.length, SEATS - 1, 'exactly so many are in');
  assert.equal(ch.exit, undefined);

  // Each of the eight hears what is typed; the middle one of five times counts, for the machine is shared.
  const times = [];
  for (let i = 0; i < 5; i++) {
    const mark = `<${i}>`;
    const began = performance.now();
    ch.input(mark);
    await Promise.all([ch, ...channels].map((one) => one.waitText(mark)).concat(inside.map((r) => r.waitText(mark))));
    times.push(performance.now() - began);
  }
  const middle = times.sort((a, b) => a - b)[2];
  assert.ok(middle < 100 * slow, `${middle} ms`);

  // A seat that is freed is free at once, by whatever way it was.
  const next = refused[0].client;
  for (const free of [
    () => channels[0] ? channels[0].client.request('session.detach', { channel: channels[0].number }) : inside.pop().ws.terminate(),
    () => inside[0] ? inside[0].ws.close() : channels[1].client.close(),
  ]) {
    await free();
    const again = await seat(next, ch.session);
    await next.request('session.detach', { channel: again.number });
    await seat(next, ch.session); // it is a seat like any other
  }
});

// A detach is answered when the seat is free; a socket that is closed is heard of within a moment.
async function seat(c, session) {
  for (let i = 0; ; i++) {
    try {
      return await c.attach(session, { role: 'viewer' });
    } catch (no) {
      if (no.word !== 'limit_reached' || i === 100)
        throw no;
    }
  }
}
