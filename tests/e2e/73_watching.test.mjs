// Teachers watch their students' sessions: who may, who may not, what the student sees, what stands on record.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Client, Server } from './lib.mjs';

const shell = { kind: 'shell', cols: 80, rows: 24, env: { PS1: '$ ' } };
const who = { ann: 'student', bob: 'student', tess: 'teacher', tom: 'teacher', root: 'admin' };
const users = {}, clients = {};
let server;
const refused = (p, word) => assert.rejects(p, (e) => e.word === word, word);

before(async () => {
  server = await Server.start();
  for (const [name, role] of Object.entries(who))
    clients[name] = await server.client(users[name] = await server.user(name, role));
  assert.equal((await server.ctl(['course', 'add', 'python', '--teacher', 'tess'])).code, 0);
});
after(() => server.destroy());

test('who teaches a course watches a student, who sees it; only looks, and leaves', async () => {
  const { ann, tess } = clients;
  const ch = await ann.openSession(shell);
  assert.ok((await tess.request('session.list', { all: true })).some((s) => s.session === ch.session));
  const eye = await tess.attach(ch.session, { role: 'viewer', cols: 10, rows: 10 });
  assert.equal(eye.reply.driver, false);
  assert.deepEqual(eye.reply.watchers, [{ name: 'tess', role: 'teacher' }]);
  const seen = await ann.waitNotification('session.viewers', (p) => p.viewers === 2);
  assert.deepEqual(seen.watchers, [{ name: 'tess', role: 'teacher' }]);
  ch.input('echo $((6*7))seen\r');
  await eye.waitText('42seen');
  eye.input('echo $((7*7))typed\r');
  await tess.waitFor(() => eye.refusals.find((r) => r.code === 'not_driver'));
  await refused(tess.request('session.drive', { channel: eye.number }), 'forbidden');
  assert.deepEqual(await tess.request('session.resize', { channel: eye.number, cols: 10, rows: 10 }), { cols: 80, rows: 24 });
  for (const [method, more] of [['session.signal', { signal: 'INT' }], ['session.stop', {}], ['session.close', {}]])
    await assert.rejects(tess.request(method, { session: ch.session, ...more }), (e) => e.word === 'not_found', method);
  // The teacher's client may call itself what the student's does: it takes nobody's place.
  const double = await tess.attach(ch.session, { client: ann.key });
  assert.equal(double.reply.driver, false);
  ch.input('echo $((8*8))still\r');
  await ch.waitText('64still');
  for (const c of [eye, double])
    await tess.request('session.detach', { channel: c.number });
  const left = await ann.waitNotification('session.viewers', (p) => p.viewers === 1);
  assert.deepEqual(left.watchers, []);
  assert.ok(!ch.text.includes('49typed'));
});

test('who may not, and what of it stands on record', async () => {
  const { ann, bob, tess, tom, root } = clients;
  const of = {};
  for (const [name, c] of Object.entries(clients))
    of[name] = (await c.openSession(shell)).session;
  await refused(tess.attach(of.ann, { role: 'driver' }), 'forbidden');
  await refused(tom.attach(of.ann), 'not_found'); // teaches nothing
  await refused(tess.attach(of.tom), 'not_found'); // no student
  await refused(tess.attach(of.root), 'not_found');
  await refused(bob.attach(of.ann), 'not_found'); // not even that it is there
  await refused(ann.attach(of.tess), 'not_found');
  await refused(tess.attach('a'.repeat(26)), 'not_found');
  assert.equal((await root.attach(of.ann)).reply.driver, false);
  assert.deepEqual((await root.attach(of.tess)).reply.watchers, [{ name: 'root', role: 'admin' }]);
  assert.equal((await server.ctl(['course', 'teacher', 'add', 'python', 'tom'])).code, 0);
  await tom.attach(of.bob);
  const raw = server.wsUrl.replace('/v1/ws', `/v1/attach/${of.ann}`);
  await assert.rejects(Client.connect(raw, users.tess.token), (e) => e.status === 404); // one's own alone
  const r = await server.ctl(['audit', 'list', '--json', '--what', 'session.watch']);
  const rows = r.stdout.trim().split('\n').map((l) => JSON.parse(l));
  const done = rows.filter((e) => e.outcome === 'ok').map((e) => [e.user, e.object]);
  assert.deepEqual(done.slice(-3), [['root', of.ann], ['root', of.tess], ['tom', of.bob]]);
  assert.ok(done.some(([user]) => user === 'tess'));
  assert.ok(rows.some((e) => e.outcome !== 'ok' && (e.user === 'tess' || e.user === '*')), r.stdout);
});
