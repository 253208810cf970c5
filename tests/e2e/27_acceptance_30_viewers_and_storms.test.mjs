// ACCEPTANCE 30: who is one too many is refused before anything is allocated, and nobody is evicted for it; a seat that
// is freed is free at once; a storm of reconnections leaves memory and the terminal's size as they were.
// also under tsan
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { count, freely, inParallel } from './counts.mjs';
import { slow, startServer, until } from './lib.mjs';
import { memory } from './memory.mjs';
import { Raw } from './raw.mjs';

const full = process.env.COUNT === 'full';
const crowd = full ? 200 : count(200, { asan: 64, tsan: 40 });
const returns = full ? 60000 : count(2400, { asan: 2400, tsan: 960 });
const STORMS = 8; // at most
const FLAT = 2048; // bytes of each that came and went: less than a socket has
const SEATS = 8;
const ECHO = 'import sys, tty\ntty.setraw(0)\nprint("ready", end="", flush=True)\n' +
  'while (c := sys.stdin.buffer.raw.read(64)): sys.stdout.buffer.raw.write(c)\n';

async function start(t) {
  // What a sanitizer puts aside when it is freed would count as the server's.
  const env = { ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:quarantine_size_mb=0:thread_local_quarantine_size_kb=0` };
  const server = await startServer(t, { env, config: {
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

test(`up to ${returns} reconnections: memory flat, the terminal as large as before`, async (t) => {
  const { server, ann, driver, ch } = await start(t);
  const comeAndGo = async () => {
    const c = await server.client(ann);
    await c.attach(ch.session, { role: 'viewer', cols: 20, rows: 10 }).catch((no) => assert.equal(no.word, 'limit_reached'));
    c.terminate();
    await c.closed;
  };
  const storm = (n) => inParallel(Array.from({ length: n }), 12, comeAndGo);
  // An allocator grows for a while; what is lost with each that comes and goes is lost in every storm.
  const each = [];
  const began = Date.now();
  for (let i = 0; i < STORMS && (each.at(-1) ?? FLAT) >= FLAT; i++) {
    const before = memory(server);
    await storm(returns / STORMS);
    each.push(Math.round((memory(server) - before) / (returns / STORMS)));
  }
  t.diagnostic(`${Math.round(each.length * returns / STORMS * 1000 / (Date.now() - began))} a second, bytes more for each: ${each}`);
  assert.ok(each.at(-1) < FLAT, `bytes more for each that came and went: ${each}`);
  const [listed] = await driver.request('session.list', {});
  assert.equal(`${listed.cols}x${listed.rows}`, '101x37');
  ch.input('still here');
  await ch.waitText('still here');
});
