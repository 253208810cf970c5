// ACCEPTANCE 30: a storm of reconnections leaves memory and the terminal's size as they were.
// as released
// also under tsan
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { count, freely, inParallel, variant } from './counts.mjs';
import { startServer } from './lib.mjs';
import { memory } from './memory.mjs';

const full = process.env.COUNT === 'full';
const returns = full ? 60000 : count(4800, { asan: 2400, tsan: 960 });
const STORMS = 8; // at most; all of them in full
const FLAT = 2048; // bytes of each that came and went: less than a socket has

test(`${full ? '' : 'up to '}${returns} reconnections: memory flat, the terminal as large as before`, async (t) => {
  const server = await startServer(t, { config: { server: { max_sockets: 64 }, limits: { ...freely.limits, sockets_per_user: 64 } } });
  const ann = await server.user('ann');
  const driver = await server.client(ann);
  await driver.write('home/wait.py', 'print("ready", flush=True)\nwhile True: input()\n');
  const ch = await driver.openSession({ kind: 'run', path: 'home/wait.py', cols: 101, rows: 37 });
  await ch.waitText('ready');
  const comeAndGo = async () => {
    const c = await server.client(ann);
    await c.attach(ch.session, { role: 'viewer', cols: 20, rows: 10 }).catch((no) => assert.equal(no.word, 'limit_reached'));
    c.terminate();
    await c.closed;
  };
  // An allocator grows for a while; what is lost with each that comes and goes is lost in every storm.
  const each = [];
  const began = Date.now();
  for (let i = 0; i < STORMS && (full || (each.at(-1) ?? FLAT) >= FLAT); i++) {
    const before = memory(server);
    await inParallel(Array.from({ length: returns / STORMS }), 12, comeAndGo);
    each.push(Math.round((memory(server) - before) / (returns / STORMS)));
  }
  t.diagnostic(`${Math.round(each.length * returns / STORMS * 1000 / (Date.now() - began))} a second, bytes more for each: ${each}`);
  if (variant === 'rel') // a sanitizer's allocator keeps something for each thread that ever freed
    assert.ok(each.at(-1) < FLAT, `bytes more for each that came and went: ${each}`);
  const [listed] = await driver.request('session.list', {});
  assert.equal(`${listed.cols}x${listed.rows}`, '101x37');
  ch.input('still here\n');
  await ch.waitText('still here');
});
