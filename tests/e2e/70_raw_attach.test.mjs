// /v1/attach: one session as bytes, for xterm's AttachAddon and for scripts. Nothing but what a terminal shows comes
// over it, and nothing but what is typed goes back.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';

import { Server, startServer, until } from './lib.mjs';
import { Raw } from './raw.mjs';

const run = { kind: 'run', cols: 80, rows: 24 };
const shell = { kind: 'shell', cols: 80, rows: 24, env: { PS1: '$ ' } };

const refusal = (server, who, session, query) =>
  Raw.open(server, who, session, query).then(() => assert.fail('it was let in'), (e) => [e.status, e.error?.code]);

// Prints `lines` lines of 64 bytes that say where they stand.
const numbered = (lines) => `import sys
for i in range(${lines}): sys.stdout.write('%063d\\n' % i)
`;
const source = (lines) => Buffer.from(Array.from({ length: lines }, (_, i) => `${String(i).padStart(63, '0')}\n`).join(''));

let server, ann, bob, c;
before(async () => {
  server = await Server.start();
  ann = await server.user('ann');
  bob = await server.user('bob');
  c = await server.client(ann);
});
after(() => server.destroy());

test('what is typed, as text or as bytes, runs in the shell; another subprotocol does not matter', async () => {
  const ch = await c.openSession(shell);
  const raw = await Raw.open(server, ann, ch.session, '?role=driver&since=0', { protocols: [] });
  await c.waitNotification('session.driver', (p) => p.channel === ch.number && !p.driver);
  raw.type('echo $((6 * 7))text\r');
  await raw.waitText('42text');
  raw.type(Buffer.from('echo $((6 * 7))bytes\r'));
  await raw.waitText('42bytes');
  await ch.waitText('42bytes');
  assert.ok(ch.all.subarray(0, raw.count).equals(raw.bytes), 'the same bytes as on the other socket');
  assert.equal(raw.texts, 0);
  raw.type('exit 3\r');
  assert.deepEqual(await raw.closed, { code: 1000, reason: 'the session has ended' });
  assert.equal((await ch.waitExit()).code, 3);
  assert.ok(ch.all.equals(raw.bytes), 'the last byte came before the end');
});

test('since=N is exact, for a session that lives and for one that has ended', async () => {
  const lines = 8000, all = source(lines);
  await c.write('home/lines.py', `${numbered(lines)}sys.stdout.flush()\nsys.stdin.readline()\n`);
  const ch = await c.openSession({ ...run, path: 'home/lines.py', tty: false });
  await c.waitFor(() => ch.next === all.length, { what: 'all lines' });
  const seats = [0, 1, 63, 70000, all.length - 1, all.length];
  const raws = await Promise.all(seats.map((n) => Raw.open(server, ann, ch.session, `?since=${n}&role=viewer`)));
  ch.input('\n');
  for (const [i, raw] of raws.entries()) {
    assert.equal((await raw.closed).code, 1000);
    assert.ok(raw.bytes.equals(all.subarray(seats[i])), `since=${seats[i]}: ${raw.count} bytes`);
  }
  const late = await Raw.open(server, ann, ch.session, '?since=100');
  assert.equal((await late.closed).code, 1000);
  assert.ok(late.bytes.equals(all.subarray(100)));
  assert.deepEqual(await refusal(server, ann, ch.session, `?since=${all.length + 1}`), [400, 'invalid']);
});

test('who only watches types nothing; the seat goes to who asks for it', async () => {
  const ch = await c.openSession(shell);
  const viewer = await Raw.open(server, ann, ch.session, '?role=viewer');
  viewer.type('echo $((1 + 1))viewer\r');
  viewer.type('x'.repeat(200000)); // more than may wait: it is thrown away, and waits for nothing
  viewer.ws.ping();
  await new Promise((resolve) => viewer.ws.once('pong', resolve)); // it was read
  ch.input('echo $((2 + 2))driver\r');
  await viewer.waitText('4driver');
  assert.ok(!viewer.text.includes('viewer') && !viewer.text.includes('xxx'), viewer.text);
  await c.request('session.close', { session: ch.session });
  assert.equal((await viewer.closed).code, 1000);
});

test('refused before the upgrade: nobody, a stranger, what is wrong', async () => {
  const ch = await c.openSession(shell);
  assert.deepEqual(await refusal(server, undefined, ch.session, ''), [401, 'unauthorized']);
  assert.deepEqual(await refusal(server, bob, ch.session, ''), [404, 'not_found']);
  assert.deepEqual(await refusal(server, ann, 'a'.repeat(26), ''), [404, 'not_found']);
  assert.deepEqual(await refusal(server, ann, '', ''), [404, 'not_found']);
  for (const query of ['?since=', '?since=-1', '?since=x', '?since=99999999999999999999', '?since=99999999', '?role=boss', '?role',
    '?since=0&since=0', '?cols=80', '?since=0;role=viewer'])
    assert.deepEqual(await refusal(server, ann, ch.session, query), [400, 'invalid'], query);
  const plain = await server.fetch(`/v1/attach/${ch.session}`, { token: ann });
  assert.equal(plain.status, 426);
  await c.request('session.close', { session: ch.session });
  assert.deepEqual(await refusal(server, ann, ch.session, ''), [404, 'not_found']);
});

test('a ticket opens one', async () => {
  const ch = await c.openSession(shell);
  const { ticket } = await (await server.fetch('/api/tickets', { token: ann, method: 'POST' })).json();
  const raw = await Raw.open(server, undefined, ch.session, `?role=driver&ticket=${ticket}`);
  raw.type('echo $((5 * 5))ticket\r');
  await raw.waitText('25ticket');
  assert.deepEqual(await refusal(server, undefined, ch.session, `?ticket=${ticket}`), [401, 'unauthorized']);
  await c.request('session.close', { session: ch.session });
});

test('the ninth is told 1013, and a seat that is left is free', async () => {
  const ch = await c.openSession(shell);
  const seven = await Promise.all(Array.from({ length: 7 }, () => Raw.open(server, ann, ch.session, '?role=viewer')));
  await until(async () => (await c.request('session.list', {})).find((s) => s.session === ch.session).viewers === 8);
  const ninth = await Raw.open(server, ann, ch.session, '?role=viewer');
  assert.deepEqual(await ninth.closed, { code: 1013, reason: 'too many connections for this session' });
  seven[0].ws.close(1000);
  assert.equal((await seven[0].closed).code, 1000);
  const next = await until(async () => {
    const raw = await Raw.open(server, ann, ch.session, '?role=viewer&since=0');
    return Promise.race([raw.closed.then(() => undefined), until(() => raw.count > 0).then(() => raw)]);
  }, { what: 'the seat' });
  assert.ok(next.count > 0);
  await c.request('session.close', { session: ch.session });
});

test('a sign-in that ends closes it within a second, without a word in the terminal', async () => {
  const other = { token: await server.login('ann', 'secret of ann') };
  const ch = await c.openSession(shell);
  const raw = await Raw.open(server, other, ch.session, '?role=viewer');
  const began = Date.now();
  await server.fetch('/api/logout', { token: other, method: 'POST' });
  assert.deepEqual(await raw.closed, { code: 1008, reason: 'no longer signed in' });
  assert.ok(Date.now() - began < 1000 * Number(process.env.LATCH_SLOW ?? 1), `${Date.now() - began} ms`);
  assert.ok(!raw.text.includes('signed'), raw.text);
  await c.request('session.close', { session: ch.session });
});

test('it is one of the user\'s sockets', async (t) => {
  const small = await startServer(t, { config: { limits: { sockets_per_user: 2 } } });
  const who = await small.user('cleo');
  const cc = await small.client(who);
  const ch = await cc.openSession(shell);
  const raw = await Raw.open(small, who, ch.session, '?role=viewer');
  assert.deepEqual(await refusal(small, who, ch.session, ''), [429, 'limit_reached']);
  raw.ws.close(1000);
  await raw.closed;
  await until(() => Raw.open(small, who, ch.session, '').then(() => true, () => false), { what: 'the place' });
});

test('a driver that does not read stops the program, and loses nothing', async () => {
  const lines = 400000, all = source(lines); // 24 MiB: more than the sockets take
  await c.write('home/stands.py', `import sys\nsys.stdin.readline()\n${numbered(lines)}`);
  const ch = await c.openSession({ ...run, path: 'home/stands.py', tty: false });
  const raw = await Raw.open(server, ann, ch.session, '?role=driver');
  await c.request('session.detach', { channel: ch.number });
  raw.pause();
  raw.type('\n');
  let was = -1;
  const watcher = await server.client(ann);
  const head = async () => {
    const viewer = await watcher.attach(ch.session, { role: 'viewer' });
    await watcher.request('session.detach', { channel: viewer.number });
    return viewer.reply.head;
  };
  await until(async () => {
    const now = await head();
    const still = now > 0 && now === was;
    was = now;
    return still;
  }, { every: 300, timeout: 20000, what: 'the program to stand' });
  assert.ok(was < all.length, `${was} of ${all.length}`);
  raw.resume();
  assert.equal((await raw.closed).code, 1000);
  assert.deepEqual(raw.gaps, []);
  assert.ok(raw.bytes.equals(all), `${raw.count} of ${all.length} bytes`);
});

test('a viewer that does not read gets a gap, told by a ping', async () => {
  const lines = 400000, all = source(lines);
  await c.write('home/flood.py', `import sys\nsys.stdin.readline()\n${numbered(lines)}`);
  const ch = await c.openSession({ ...run, path: 'home/flood.py', tty: false });
  const raw = await Raw.open(server, ann, ch.session, '?role=viewer&since=0');
  raw.pause();
  ch.input('\n');
  await c.waitFor(() => ch.next === all.length, { timeout: 30000, what: 'all lines' });
  raw.resume();
  assert.equal((await raw.closed).code, 1000);
  assert.ok(raw.gaps.length > 0);
  const bytes = raw.bytes;
  let at = 0, offset = 0; // of the bytes that came; in the session
  for (const gap of [...raw.gaps, { from: all.length, to: all.length, at: bytes.length }]) {
    assert.ok(bytes.subarray(at, gap.at).equals(all.subarray(offset, gap.from)), `up to ${gap.from}`);
    at = gap.at;
    offset = gap.to;
  }
});

test('more than may wait is typed to a program that reads late: all of it, once', async () => {
  await c.write('home/late.py', `import hashlib, sys, time
print('ready', flush=True)
time.sleep(1)
data = sys.stdin.buffer.read(1 << 20)
print(len(data), hashlib.sha256(data).hexdigest())
`);
  const ch = await c.openSession({ ...run, path: 'home/late.py', tty: false });
  const raw = await Raw.open(server, ann, ch.session, '?role=driver&since=0');
  await raw.waitText('ready');
  const data = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 7919) >> 3 & 255));
  for (let at = 0; at < data.length; at += 100000)
    raw.type(data.subarray(at, at + 100000));
  assert.equal((await raw.closed).code, 1000);
  assert.ok(raw.text.includes(`${data.length} ${createHash('sha256').update(data).digest('hex')}`), raw.text);
});

test('kill -9 of the server, and attached again with since: nothing is lost', async (t) => {
  const own = await startServer(t);
  const who = await own.user('dora');
  const cc = await own.client(who);
  const lines = 10000, all = source(lines);
  await cc.write('home/steady.py', `import sys, time
for i in range(${lines}):
    if i % 3000 == 0 and i > 0: sys.stdout.flush(); sys.stdin.readline()
    sys.stdout.write('%063d\\n' % i)
    if i % 100 == 0: sys.stdout.flush(); time.sleep(0.02)
`);
  const { session } = await cc.openSession({ ...run, path: 'home/steady.py', tty: false });
  const parts = [];
  let got = 0;
  for (let i = 0; i < 3; i++) {
    const raw = await Raw.open(own, who, session, `?since=${got}&role=driver`);
    if (i > 0) raw.type('\n'); // it may go on
    await until(() => got + raw.count > i * 3000 * 64 + 20000, { what: 'some of what comes then' });
    await own.kill9();
    assert.equal((await raw.closed).code, 1006);
    parts.push(raw.bytes);
    got += raw.count;
    await own.restart();
  }
  const last = await Raw.open(own, who, session, `?since=${got}&role=driver`);
  last.type('\n');
  assert.equal((await last.closed).code, 1000);
  assert.ok(Buffer.concat([...parts, last.bytes]).equals(all));
});
