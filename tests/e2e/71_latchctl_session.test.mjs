// latchctl session list, kill, send, wait: whoever runs the server, and the sessions of all.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { after, before, test } from 'node:test';

import { Server, program, runToEnd, startServer, until } from './lib.mjs';

const shell = { kind: 'shell', cols: 80, rows: 24, env: { PS1: '$ ' } };
const run = { kind: 'run', cols: 80, rows: 24 };

let server, ann, bob, a, b;
const session = (args, input) => server.ctl(['session', ...args], input);
const rows = async () => (await session(['list'])).stdout.split('\n').filter(Boolean).map((l) => l.split('\t'));
const noted = async (what) => {
  const r = await server.ctl(['audit', 'list', '--json', '--what', what]);
  return r.stdout.split('\n').filter(Boolean).map((l) => JSON.parse(l)).map((e) => [e.object, e.outcome]);
};

before(async () => {
  server = await Server.start();
  ann = await server.user('ann');
  bob = await server.user('bob');
  a = await server.client(ann);
  b = await server.client(bob);
});
after(() => server.destroy());

test('list: those of all, oldest first, and nothing that commands a terminal', async () => {
  assert.deepEqual(await rows(), []);
  await b.write('home/wait.py', 'input()\n');
  const one = await a.openSession({ ...shell, title: 'mine\n\u001b[31m' });
  const two = await b.openSession({ ...run, path: 'home/wait.py', title: 'waits' });
  const three = await server.client(ann);
  await three.attach(one.session, { role: 'viewer' });
  const list = await rows();
  assert.deepEqual(list.map((r) => r.slice(0, 7)), [
    ['ann', one.session, 'shell', 'running', 'mine\\x0a\\x1b[31m', '-', '2'],
    ['bob', two.session, 'run', 'running', 'waits', 'home/wait.py', '1']]);
  for (const r of list)
    assert.ok(Math.abs(Date.parse(r[7]) - Date.now()) < 60000, r[7]);
  two.input('\n');
  await two.waitExit();
  assert.equal((await rows())[1][3], 'ended');
  for (const c of [[a, one], [b, two]])
    await c[0].request('session.close', { session: c[1].session });
  await until(async () => (await rows()).length === 0, { what: 'an empty list' });
});

test('the list has pages', async (t) => {
  const own = await startServer(t, { config: { limits: { ended_kept: 100 } } });
  const c = await own.client(await own.user('cleo'));
  await c.write('home/x.py', '');
  const ids = [];
  for (let i = 0; i < 30; i++) { // titles of 1.5 KiB, once they are escaped
    const ch = await c.openSession({ ...run, path: 'home/x.py', title: '\u0001'.repeat(256) });
    await ch.waitExit();
    ids.push(ch.session);
  }
  const r = await own.ctl(['session', 'list']);
  assert.equal(r.code, 0, r.stderr);
  assert.deepEqual(r.stdout.trim().split('\n').map((l) => l.split('\t')[1]), ids);
});

test('send: types what it is given, in a shell that another drives', async () => {
  const ch = await a.openSession(shell);
  const sent = await session(['send', ch.session, 'echo $((6 * 7))sent', '--enter']);
  assert.equal(sent.code, 0, sent.stderr);
  await ch.waitText('42sent');
  assert.equal((await session(['send', ch.session], 'echo $((7 * 7))stdin\r')).code, 0);
  await ch.waitText('49stdin');
  ch.input('echo $((8 * 8))driver\r'); // its own count of input is not disturbed
  await ch.waitText('64driver');
  await ch.waitInputAcked();
  assert.deepEqual(await noted('session.type_other'), [[ch.session, 'ok'], [ch.session, 'ok']]);
  await a.request('session.close', { session: ch.session });
});

test('send: a megabyte to a program that reads late, all of it, once', async () => {
  await a.write('home/late.py', `import hashlib, sys, time
time.sleep(1)
data = sys.stdin.buffer.read(1 << 20)
print(len(data), hashlib.sha256(data).hexdigest())
`);
  const ch = await a.openSession({ ...run, path: 'home/late.py', tty: false });
  const data = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 7919) >> 3 & 255));
  const sent = await session(['send', ch.session], data);
  assert.equal(sent.code, 0, sent.stderr);
  await ch.waitExit();
  assert.equal(ch.text, `${data.length} ${createHash('sha256').update(data).digest('hex')}\n`);
});

test('wait: returns with the end, and says how it came', async () => {
  await a.write('home/code.py', 'input()\nraise SystemExit(7)\n');
  const ch = await a.openSession({ ...run, path: 'home/code.py' });
  const waiting = session(['wait', ch.session]);
  const gone = spawn(program('latchctl'), ['--data', server.data, 'session', 'wait', ch.session]);
  await until(async () => (await rows()).length > 0);
  gone.kill('SIGKILL'); // one that gives up costs nothing
  await once(gone, 'close');
  assert.equal(await Promise.race([waiting, rows().then(() => 'waits')]), 'waits');
  ch.input('\n');
  assert.deepEqual(await waiting.then((r) => [r.code, r.stdout]), [0, 'exited with code 7\n']);
  assert.equal((await session(['wait', ch.session])).stdout, 'exited with code 7\n', 'and again, at once');
});

test('kill: the whole of it, told to its user, on record', async () => {
  await a.write('home/loop.py', 'import time\nprint("ready", flush=True)\nwhile True: time.sleep(0.1)\n');
  const ch = await a.openSession({ ...run, path: 'home/loop.py' });
  await ch.waitText('ready');
  const killed = await session(['kill', ch.session]);
  assert.deepEqual([killed.code, killed.stdout], [0, 'ended by SIGTERM (stopped)\n'], killed.stderr);
  const exit = await ch.waitExit();
  assert.deepEqual([exit.signal, exit.verdict], ['TERM', 'stopped']);
  assert.equal((await session(['kill', ch.session])).code, 0, 'it has ended: nothing to do');
  assert.deepEqual(await noted('session.end_other'), [[ch.session, 'ok']]);
});

test('what cannot be done is said', async () => {
  const none = 'a'.repeat(26);
  for (const args of [['kill', none], ['wait', none], ['send', none, 'x'], ['wait', 'x']]) {
    const r = await session(args);
    assert.deepEqual([r.code, r.stderr], [1, 'latchctl: there is no such session\n'], args.join(' '));
  }
  const ended = (await rows()).find((r) => r[3] === 'ended')[1];
  const late = await session(['send', ended, 'x']);
  assert.deepEqual([late.code, late.stderr], [1, 'latchctl: the session has ended\n']);
  const few = await session(['send']);
  assert.equal(few.code, 1);
  assert.match(few.stderr, /SESSION is missing\nusage: .*session send SESSION \[TEXT\] \[--enter\]/);
  const many = await session(['send', none, 'a', 'b']);
  assert.match(many.stderr, /b: one word too many/);
});

test('where a shell is: told in the wire\'s words, by the next server too, and nothing of what lies elsewhere', async () => {
  const one = await a.openSession(shell);
  one.input('mkdir "in here"; cd "in here"\r');
  const is = (c, cwd) => until(async () => {
    const s = (await c.request('session.list', {})).find((l) => l.session === one.session);
    return s.cwd === cwd;
  }, { what: cwd });
  await is(a, 'home/in here');
  assert.equal((await rows()).find((r) => r[1] === one.session)[8], 'home/in here');
  await server.kill9();
  await server.restart();
  const c = await server.client(ann);
  await is(c, 'home/in here');
  const two = await c.openSession({ ...shell, cwd: 'home/in here' });
  two.input('pwd\r');
  await two.waitText('/work/home/in here');
  const again = await c.attach(one.session);
  again.input('cd /usr; rmdir ~/in*\r');
  await is(c, null);
  for (const ch of [one, two])
    await c.request('session.close', { session: ch.session });
});

test('without a server there are none', async () => {
  const s = new Server();
  s.status = { code: null };
  await s.ctl(['--config', s.configFile, 'user', 'add', 'ann', '--role', 'student', '--password-stdin'], 'a long password');
  const r = await runToEnd(program('latchctl'), ['--data', s.data, 'session', 'list']);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /no server runs there/);
  await s.destroy();
});
