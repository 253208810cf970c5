// The audit log and the backup: what was done is on record and cannot be changed unnoticed; a database that is
// damaged stops the start, and a backup brings it back.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Server, startServer } from './lib.mjs';

const db = (server) => path.join(server.data, 'latch.db');

// SQL by Python's own SQLite, which is not the server's: the rows.
function sql(file, query) {
  const code = 'import sqlite3, sys, json\n' +
    'c = sqlite3.connect(sys.argv[1], timeout=10)\n' +
    'print(json.dumps(c.execute(sys.argv[2]).fetchall()))\n' +
    'c.commit()\nc.close()';
  return JSON.parse(execFileSync('python3', ['-c', code, file, query], { encoding: 'utf8' }));
}

async function events(server, ...options) {
  const r = await server.ctl(['audit', 'list', '--json', ...options]);
  assert.equal(r.code, 0, r.stderr);
  return r.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

test('what was done is on record: who, what, from where, with what outcome', async (t) => {
  const server = await startServer(t);
  const ann = await server.user('ann');
  const c = await server.client(ann);
  await c.request('fs.write', { path: 'home/a.py', data: 'print(1)\n' });
  await server.fetch('/api/files/home/b.txt', { method: 'PUT', token: ann, body: 'b' });
  await c.request('fs.rename', { from: 'home/b.txt', to: 'home/c.txt' });
  await server.fetch('/api/files/home/c.txt', { method: 'DELETE', token: ann });
  await (await c.openSession({ kind: 'run', path: 'home/a.py', cols: 80, rows: 24 })).waitExit();
  for (let i = 0; i < 3; i++) // folded: one row
    assert.equal((await server.fetch('/api/login', { json: { username: 'ann', password: 'no no no' } })).status, 401);
  assert.equal((await server.fetch('/api/login', { json: { username: 'hunter2', password: 'ann' } })).status, 401);
  assert.equal((await server.fetch('/api/me', { token: 'x'.repeat(43) })).status, 401);
  assert.equal((await server.fetch('/api/logout', { method: 'POST', token: ann })).status, 204);
  const seen = (await events(server)).map((e) => [e.what, e.user, e.object, e.outcome, e.count]);
  for (const wanted of [
    ['server.start', '', '0.1.0', 'ok', 1],
    ['admin.user_add', '', 'ann', 'ok', 1],
    ['auth.sign_in', 'ann', '', 'ok', 1],
    ['fs.write', 'ann', 'home/a.py', 'ok', 1],
    ['fs.write', 'ann', 'home/b.txt', 'ok', 1],
    ['fs.rename', 'ann', 'home/b.txt -> home/c.txt', 'ok', 1],
    ['fs.remove', 'ann', 'home/c.txt', 'ok', 1],
    ['session.run', 'ann', 'home/a.py', 'ok', 1],
    ['auth.sign_in', '*', '', 'EACCES', 4],
    ['auth.refused', '', '/api/me', 'EACCES', 1],
    ['auth.sign_out', 'ann', '', 'ok', 1],
  ])
    assert.ok(seen.some((e) => JSON.stringify(e) === JSON.stringify(wanted)), `${wanted}\nin\n${seen.join('\n')}`);
  assert.doesNotMatch(JSON.stringify(await events(server)), /hunter2|secret of/, 'no name that is none, no secret');
  for (const e of await events(server, '--user', 'ann', '--what', 'fs.', '--since', '10m'))
    assert.ok(e.user === 'ann' && e.what.startsWith('fs.') && e.address === '127.0.0.1');
  assert.deepEqual(await events(server, '--since', '2999-01-01'), []);
  assert.equal((await server.ctl(['audit', 'list', '--since', 'yesterday'])).code, 1);
});

test('a row that was changed is named, while the server runs and after', async (t) => {
  const server = await startServer(t);
  for (const name of ['ann', 'bob', 'cid'])
    await server.user(name);
  const whole = await server.ctl(['audit', 'verify']);
  assert.equal(whole.code, 0, whole.stderr);
  assert.match(whole.stdout, /^audit: \d+ events, whole\n/);
  const [[seq]] = sql(db(server), "SELECT seq FROM audit WHERE object = 'bob'");
  sql(db(server), `UPDATE audit SET object = 'bi' || char(27) || 'b' || char(155) WHERE seq = ${seq}`);
  const list = await server.ctl(['audit', 'list']);
  assert.equal(list.stdout.split('\n').filter((l) => l.includes('bi\\x1bb\\xc2\\x9b')).length, 1,
    'what would command a terminal is escaped');
  for (const running of [true, false]) {
    if (!running)
      assert.equal((await server.stop()).code, 0);
    const r = await server.ctl(['audit', 'verify']);
    assert.equal(r.code, 1);
    assert.match(r.stderr, new RegExp(`broken at event ${seq}:`));
  }
  await server.restart();
  await server.ctl(['audit', 'list']);
  assert.match(server.stderr, new RegExp(`event=audit.broken seq=${seq} `), 'a start says so, too');
});

test('a backup is whole however much is written meanwhile, and comes back', async (t) => {
  const server = await startServer(t);
  const ann = await server.user('ann');
  const c = await server.client(ann);
  const file = path.join(server.dir, 'backup.db');
  let writing = true;
  const writer = (async () => {
    for (let i = 0; writing; i++)
      await c.request('fs.write', { path: `home/${i % 7}.txt`, data: `${i}` });
  })();
  const backups = [];
  for (let i = 0; i < 3; i++)
    backups.push(await server.ctl(['backup', file, ...(i ? ['--force'] : [])]));
  writing = false;
  await writer;
  for (const r of backups)
    assert.equal(r.code, 0, r.stderr);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(fs.readdirSync(server.dir).filter((n) => n.includes('-new')), []);
  assert.deepEqual(sql(file, 'PRAGMA integrity_check'), [['ok']]);
  assert.equal((await server.ctl(['audit', 'verify', '--file', file])).code, 0);
  assert.equal((await server.ctl(['backup', file])).code, 1, 'it is not replaced unasked');
  const bob = await server.user('bob'); // after the backup
  const [[uid]] = sql(db(server), "SELECT uid FROM users WHERE name = 'bob'");

  const refused = await server.ctl(['restore', file]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /a server runs there: end it first/);
  await server.stop();
  const restored = await server.ctl(['restore', file]);
  assert.equal(restored.code, 0, restored.stderr);
  await server.restart();
  assert.equal((await server.fetch('/api/me', { token: ann })).status, 401, 'everybody was signed out');
  const again = await server.login('ann', ann.password);
  assert.equal((await server.fetch('/api/me', { token: again })).status, 200);
  assert.equal((await server.fetch('/api/login', { json: { username: 'bob', password: bob.password } })).status, 401);
  await server.user('cid');
  const [[next]] = sql(db(server), "SELECT uid FROM users WHERE name = 'cid'");
  assert.ok(next > uid, "bob's uid is not given again");
  assert.ok((await events(server, '--what', 'admin.restore')).length === 1);
  assert.equal((await server.ctl(['audit', 'verify'])).code, 0);
  const kept = fs.readdirSync(server.data).find((n) => /^latch\.db\.before-restore-\w+$/.test(n));
  assert.deepEqual(sql(path.join(server.data, kept), "SELECT name FROM users WHERE name = 'bob'"), [['bob']]);
});

test('a session that lives through a restore is found again', async (t) => {
  const server = await startServer(t);
  const ann = await server.user('ann');
  const file = path.join(server.dir, 'backup.db');
  assert.equal((await server.ctl(['backup', file])).code, 0);
  const c = await server.client(ann);
  await c.write('home/loop.py', 'import time\nprint("on", flush=True)\nwhile True: time.sleep(0.01)\n');
  const ch = await c.openSession({ kind: 'run', path: 'home/loop.py', cols: 80, rows: 24 });
  await ch.waitText('on');
  await server.stop();
  assert.equal((await server.ctl(['restore', file])).code, 0);
  await server.restart();
  const again = await server.client(await server.login('ann', ann.password));
  const list = await again.request('session.list', {});
  assert.deepEqual(list.map((s) => [s.session, s.state]), [[ch.session, 'running']]);
});

test('a damaged database stops the start with 78 and says what to do, which helps', async (t) => {
  const server = await startServer(t);
  const ann = await server.user('ann');
  const file = path.join(server.dir, 'backup.db');
  assert.equal((await server.ctl(['backup', file])).code, 0);
  const bad = path.join(server.dir, 'bad.db');
  await server.stop();

  const page = 4096 * (sql(db(server), "SELECT rootpage FROM sqlite_schema WHERE name = 'users'")[0][0] - 1);
  const fd = fs.openSync(db(server), 'r+');
  fs.writeSync(fd, Buffer.alloc(4096, 0xa5), 0, 4096, page);
  fs.closeSync(fd);
  fs.copyFileSync(db(server), bad);
  fs.rmSync(server.portFile, { force: true });

  const broken = new Server({ dir: server.dir });
  broken.launch();
  const status = await broken.exited;
  assert.equal(status.code, 78, broken.stderr);
  assert.match(broken.stderr, /latch\.db.*(damaged|malformed)/);
  assert.ok(!fs.existsSync(broken.portFile), 'nothing was listened on');
  const [, command] = /restore a backup: latchctl (.*) FILE/.exec(broken.stderr);
  assert.deepEqual(command.split(' '), ['--data', server.data, 'restore']);

  const worse = await server.ctl(['restore', bad]);
  assert.equal(worse.code, 78, 'a backup that is damaged is refused');
  assert.match(worse.stderr, /bad\.db/);
  assert.deepEqual(fs.readFileSync(db(server)), fs.readFileSync(bad), 'and nothing was changed');
  const restored = await server.ctl(['restore', file]);
  assert.equal(restored.code, 0, restored.stderr);
  await server.restart();
  await server.login('ann', ann.password);
});
