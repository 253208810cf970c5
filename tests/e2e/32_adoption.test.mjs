// A server that is killed loses no session: living ones are found again, exact to the byte for their driver,
// leases are right, exit notices of what ended meanwhile arrive, nothing is leaked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { processStatus, Server, until } from './lib.mjs';

const run = { kind: 'run', cols: 80, rows: 24 };
const holders = (server) => server.survivors().filter((pid) => processStatus(pid)?.Name === 'latch-hold');

test('kill -9, start again: the program goes on, its file is still leased, its end frees it', async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  let c = await server.client(ann);
  await c.write('home/wait.py', 'print("before", flush=True)\nx = input()\nprint("after", x, flush=True)\n');
  const first = await c.openSession({ ...run, path: 'home/wait.py' });
  await first.waitText('before');
  await server.stop('SIGKILL');
  assert.equal(holders(server).length, 1, 'its holder lives on');
  await server.restart();

  c = await server.client(ann, { client: c.key });
  const [listed] = await c.request('session.list', {});
  assert.equal(listed.session, first.session);
  assert.equal(listed.state, 'running');
  assert.equal(listed.path, 'home/wait.py');
  await assert.rejects(c.openSession({ ...run, path: 'home/wait.py' }), (e) => e.word === 'busy' && e.data.session === first.session);
  const ch = await c.attach(first.session, { since: first.next, role: 'driver', cols: 80, rows: 24 });
  assert.equal(ch.reply.replay, 'exact');
  ch.input('x\n');
  await ch.waitText('after x');
  assert.equal((await ch.waitExit()).code, 0);
  const again = await c.openSession({ ...run, path: 'home/wait.py' });
  again.input('y\n');
  await again.waitExit();
});

test('what ended while no server ran is told, once, with all its output', async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  let c = await server.client(ann);
  await c.write('home/short.py', 'import time\nprint("begun", flush=True)\ntime.sleep(0.7)\nprint("done")\nraise SystemExit(5)\n');
  const first = await c.openSession({ ...run, path: 'home/short.py', tty: false });
  await first.waitText('begun');
  await server.stop('SIGKILL');
  const pids = server.survivors();
  const [holder] = holders(server);
  await until(() => pids.filter((p) => p !== holder && processStatus(p)).length === 0, { what: 'the end of the program' });
  await server.restart();
  for (let i = 0; i < 2; i++) { // each channel hears it once
    c = await server.client(ann);
    const ch = await c.attach(first.session, { since: 0, role: 'viewer' });
    const exit = await ch.waitExit();
    assert.equal(exit.code, 5);
    assert.equal(ch.text, 'begun\ndone\n');
    assert.equal(c.notifications.filter((n) => n.method === 'session.exit').length, 1);
    await c.close();
  }
  c = await server.client(ann);
  await c.request('session.close', { session: first.session });
  await until(() => holders(server).length === 0, { what: 'the holder to end with its session' });
});

test('a holder that is killed: the session is lost, its tree gone, its file free', async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const c = await server.client(await server.user('ann'));
  await c.write('home/loop.py', 'import time\nprint("ready", flush=True)\nwhile True: time.sleep(0.1)\n');
  const ch = await c.openSession({ ...run, path: 'home/loop.py' });
  await ch.waitText('ready');
  const [holder] = holders(server);
  process.kill(holder, 'SIGKILL');
  const exit = await ch.waitExit();
  assert.equal(exit.verdict, 'lost');
  await until(() => server.survivors().every((p) => ['latch-spawn'].includes(processStatus(p)?.Name) || !processStatus(p)), { what: 'the tree to be gone' });
  const again = await c.openSession({ ...run, path: 'home/loop.py' });
  await again.waitText('ready');
  await c.request('session.stop', { session: again.session });
  await again.waitExit();
});

test('the spawner\'s end ends the server with 1012 and status 1; sessions live', async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  const c = await server.client(ann);
  await c.write('home/wait.py', 'print("ready", flush=True)\ninput()\n');
  const ch = await c.openSession({ ...run, path: 'home/wait.py' });
  await ch.waitText('ready');
  const [spawner] = server.survivors().filter((pid) => processStatus(pid)?.Name === 'latch-spawn');
  process.kill(spawner, 'SIGKILL');
  assert.equal((await c.closed).code, 1012);
  assert.equal((await server.exited).code, 1);
  await server.restart();
  const again = await server.client(ann, { client: c.key });
  const back = await again.attach(ch.session, { since: ch.next, role: 'driver', cols: 80, rows: 24 });
  back.input('\n');
  assert.equal((await back.waitExit()).code, 0);
});

test('SIGTERM tells 1012, ends within 5 s, keeps sessions; stop --end-sessions tells 1001 and ends them', async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  let c = await server.client(ann);
  await c.write('home/loop.py', 'import time\nprint("ready", flush=True)\nwhile True: time.sleep(0.1)\n');
  const ch = await c.openSession({ ...run, path: 'home/loop.py' });
  await ch.waitText('ready');
  const end = await server.stop('SIGTERM');
  assert.equal(end.code, 0);
  assert.ok(end.ms < 5000, `${end.ms} ms`);
  assert.equal((await c.closed).code, 1012);
  assert.equal(holders(server).length, 1);
  await server.restart();
  c = await server.client(ann);
  assert.equal((await c.request('session.list', {}))[0].state, 'running');
  const r = await server.ctl(['stop', '--end-sessions']);
  assert.equal(r.code, 0, r.stderr);
  assert.equal((await c.closed).code, 1001);
  assert.equal((await server.exited).code, 0);
  await until(() => server.survivors().length === 0, { what: 'everything to be gone' });
});
