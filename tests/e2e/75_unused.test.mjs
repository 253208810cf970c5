// A session that nobody uses is ended, with a warning; what counts as use; the warning outlives the server. What is left of one
// that has ended outlives its processes, and the server.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import fs from 'node:fs';
import path from 'node:path';

import { processStatus, Server, slow, until } from './lib.mjs';

const shell = { kind: 'shell', cols: 80, rows: 24, env: { PS1: '$ ' } };
const UNUSED_MS = 1600 * slow;
let server, ann, a;
const expiring = (c, ch, test) => c.waitNotification('session.expiring', (p) => p.channel === ch.number && test(p.in_ms));

before(async () => {
  server = await Server.start({ config: { session: { unused_ms: UNUSED_MS, linger_ms: 200 } } });
  ann = await server.user('ann');
  a = await server.client(ann);
});
after(() => server.destroy());

test('a warning, a key that puts it off, and the end, on time', async () => {
  const b = await server.client(ann);
  const ch = await a.openSession(shell);
  await ch.waitText('$ ');
  const warned = await expiring(a, ch, (ms) => ms > 0);
  assert.equal(warned.session, ch.session);
  assert.ok(warned.in_ms <= UNUSED_MS / 2, String(warned.in_ms));
  assert.equal(ch.exit, undefined);
  const late = await b.attach(ch.session, { role: 'viewer' }); // who comes is no use of it, and hears of it
  await expiring(b, late, (ms) => ms > 0);
  const used = Date.now();
  ch.input('echo kept\r');
  for (const [c, of] of [[a, ch], [b, late]])
    await expiring(c, of, (ms) => ms === 0);
  const exit = await ch.waitExit({ timeout: 5 * UNUSED_MS });
  assert.equal(exit.verdict, 'idle');
  assert.ok(Date.now() - used >= UNUSED_MS, `after ${Date.now() - used} ms`);
});

test('output is use, and so it is after a restart; a client asks for less, never for more', async () => {
  await assert.rejects(a.openSession({ ...shell, limits: { idle_ms: UNUSED_MS + 1 } }), (e) => e.code === -32602);
  const busy = await a.openSession(shell);
  busy.input('while sleep 0.2; do echo tick; done\r');
  await busy.waitText('\ntick');
  const ch = await a.openSession(shell);
  await expiring(a, ch, (ms) => ms > 0);
  await a.close();
  await server.kill9();
  await server.restart();
  const b = await server.client(ann);
  const [again, ticking] = [await b.attach(ch.session), await b.attach(busy.session)];
  const exit = await again.waitExit({ timeout: 5 * UNUSED_MS });
  assert.equal(exit.verdict, 'idle');
  assert.equal(ticking.exit, undefined);
  await b.request('session.close', { session: busy.session });
});

test('what has ended is shown when its last process is gone, by this server and the next', async () => {
  const kept = (id) => path.join(server.data, 'sessions', `${id}.last`);
  let c = await server.client(ann);
  const ch = await c.openSession({ ...shell, title: 'mine' });
  const listed = async () => (await c.request('session.list', {})).find((s) => s.session === ch.session);
  const { title, name } = await listed();
  assert.deepEqual([title, name], ['mine', 'mine']);
  ch.input('printf "\\033]0;%s\\a%s-%s\\n" "at work" the end\r');
  await until(async () => (await listed()).title === 'at work', { what: 'the title' });
  assert.equal((await listed()).name, 'mine');
  ch.input('exit 3\r');
  assert.equal((await ch.waitExit()).code, 3);
  assert.equal((await listed()).title, 'mine', 'no program calls it anything');
  await until(() => server.survivors().every((pid) => processStatus(pid)?.Name !== 'latch-hold'), { what: 'no holder' });
  for (let i = 0; i < 2; i++) {
    const exact = await c.attach(ch.session, { since: 0, role: 'viewer' });
    assert.equal((await exact.waitExit()).code, 3);
    assert.equal(exact.text, ch.text);
    const drawn = await c.attach(ch.session, { role: 'driver' });
    assert.equal(drawn.reply.replay, 'snapshot');
    assert.equal((await drawn.waitExit()).offset, ch.next);
    assert.match(drawn.snapshots[0].data.toString(), /the-end/);
    drawn.input('x');
    assert.equal(c.notifications.filter((n) => n.method === 'session.exit' && n.params.channel === drawn.number).length, 1);
    if (i === 0) {
      await server.kill9();
      await server.restart();
      c = await server.client(ann);
    }
  }
  assert.equal(fs.statSync(kept(ch.session)).mode & 0o7777, 0o600);
  await c.request('session.close', { session: ch.session });
  assert.ok(!fs.existsSync(kept(ch.session)));
});
