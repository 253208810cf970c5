// ACCEPTANCE 26: knowing an id is not enough. B with A's session id: not found everywhere. Revoking a token
// closes its sockets within a second.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server, slow } from './lib.mjs';

test('26: another\'s session id is as good as none, for every method', async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const a = await server.client(await server.user('ann'));
  const b = await server.client(await server.user('bob'));
  const admin = await server.client(await server.user('eve', 'teacher'));
  await a.write('home/loop.py', 'import time\nwhile True: time.sleep(0.01)\n');
  const ch = await a.openSession({ kind: 'run', path: 'home/loop.py', cols: 80, rows: 24 });
  const session = ch.session;
  const calls = {
    'session.attach': { session, role: 'viewer' },
    'session.signal': { session, signal: 'INT' },
    'session.stop': { session },
    'session.close': { session },
  };
  for (const c of [b, admin])
    for (const [method, params] of Object.entries(calls)) {
      const nobodys = { ...params, session: 'a'.repeat(26) };
      const known = await c.request(method, params).then(() => assert.fail(`${method} was allowed`), (e) => e);
      const unknown = await c.request(method, nobodys).then(() => assert.fail(`${method} found nobody's`), (e) => e);
      assert.equal(known.word, 'not_found', method);
      assert.equal(known.text, unknown.text, `${method}: the words give nothing away`);
      assert.deepEqual(known.data, unknown.data);
    }
  for (const [method, params] of Object.entries({ 'session.drive': {}, 'session.detach': {}, 'session.resize': { cols: 9, rows: 9 } }))
    await assert.rejects(b.request(method, { channel: ch.number, ...params }), (e) => e.word === 'not_found', method);
  b.binary(2, ch.number, 0, Buffer.from('x')); // input to a channel that is not this socket's
  assert.deepEqual(await b.request('session.list', {}), []);
  assert.equal((await a.request('session.list', {})).length, 1);
  assert.equal((await a.request('session.list', {}))[0].state, 'running', 'nothing of it has touched the program');
  await assert.rejects(b.request('session.list', { all: true }), (e) => e.word === 'forbidden');
  assert.ok((await admin.request('session.list', { all: true })).some((s) => s.session === session), 'a teacher sees all');
  assert.equal(ch.exit, undefined);
  assert.deepEqual([...a.violations, ...b.violations], []);
});

test('26: revoking a token closes its sockets within a second, and no other', async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  const second = await server.login('ann', ann.password);
  const one = await server.client(ann);
  const two = await server.client(ann);
  const other = await server.client(second);
  const began = Date.now();
  const r = await server.fetch('/api/logout', { token: ann, method: 'POST' });
  assert.equal(r.status, 204);
  const ends = await Promise.all([one.closed, two.closed]);
  const took = Date.now() - began;
  for (const end of ends) assert.equal(end.code, 1008, JSON.stringify(end));
  assert.ok(took < 1000 * slow, `${took} ms`);
  assert.equal((await server.fetch('/api/me', { token: ann })).status, 401);
  await assert.rejects(server.client(ann), (e) => e.status === 401);
  assert.deepEqual(await other.request('session.list', {}), [], 'the other token is as it was');
  assert.equal((await server.fetch('/api/me', { token: second })).status, 200);
});
