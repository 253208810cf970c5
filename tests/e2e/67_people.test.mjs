// Users' lives: passwords, links, roles, being disabled, deleted, purged; by admin.*, user.* and latchctl.
// Whatever ends a sign-in ends its sockets within a second.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';

import { slow, startServer, until } from './lib.mjs';

const refused = (promise, word) => assert.rejects(promise, (e) => {
  assert.equal(e.word ?? e.code, word, e.message);
  return true;
});

// The socket hears why, and is closed with 1008, all within a second of `did`.
async function closes(socket, why, did) {
  await did();
  const began = Date.now();
  const end = await socket.closed;
  assert.ok(Date.now() - began <= 1000 * slow, `closed after ${Date.now() - began} ms`);
  assert.equal(end.code, 1008);
  assert.match(end.reason, /^no longer signed in/);
  assert.deepEqual(socket.notifications.find((n) => n.method === 'user.signed_out')?.params, { why });
  return end;
}

const me = async (s, token) => (await s.fetch('/api/me', { token })).status;
const ctl = async (s, args, input) => {
  const r = await s.ctl(['user', ...args], input);
  assert.equal(r.code, 0, r.stderr);
  return r.stdout;
};

test('a password is changed by its owner, and the other sign-ins end', async (t) => {
  const s = await startServer(t);
  const ann = await s.user('ann');
  const other = await s.login('ann', ann.password);
  const here = await s.client(ann), there = await s.client(other);
  await refused(here.request('user.password', { old: 'not the old one', new: 'a newer secret' }), 'forbidden');
  await refused(here.request('user.password', { old: ann.password, new: 'short' }), 'too_large');
  await closes(there, 'password', () => here.request('user.password', { old: ann.password, new: 'a newer secret' }));
  assert.equal(await me(s, other), 401);
  assert.equal(await me(s, ann.token), 200);
  await assert.rejects(s.login('ann', ann.password), /401/);
  await s.login('ann', 'a newer secret');
  assert.equal((await here.request('user.me', {})).name, 'ann');
});

// A request by hand, of which `first` is sent at once: { socket, text: what came so far, closed }.
function byHand(s, first) {
  const socket = net.connect(s.port, s.host);
  socket.write(first);
  const conversation = { socket, bytes: 0, text: '' };
  socket.on('data', (d) => {
    conversation.bytes += d.length;
    conversation.text = (conversation.text + d.toString('latin1')).slice(0, 2000);
  });
  socket.on('error', () => {});
  conversation.closed = new Promise((resolve) => socket.on('close', resolve));
  return conversation;
}

test('an upload and a download end with their sign-in, and nothing of the upload is saved', async (t) => {
  const s = await startServer(t);
  const ann = await s.user('ann');
  const other = await s.login('ann', ann.password);
  const home = path.join(s.data, 'users/ann/home'), size = 64 << 20;
  fs.writeFileSync(path.join(home, 'big'), Buffer.alloc(size), { mode: 0o644 });
  const head = (method, name) => `${method} /api/files/home/${name} HTTP/1.1\r\nHost: ${s.host}\r\nAuthorization: Bearer ${ann.token}\r\n`;
  const up = byHand(s, `${head('PUT', 'new')}Content-Length: ${4 << 20}\r\n\r\n`);
  const down = byHand(s, `${head('GET', 'big')}\r\n`);
  up.socket.write(Buffer.alloc(1 << 20));
  await until(() => down.bytes > 0, { what: 'the beginning of the download' });
  down.socket.pause();
  await (await s.fetch('/api/logout', { token: ann.token, method: 'POST' })).text();
  up.socket.write(Buffer.alloc(3 << 20));
  down.socket.resume();
  await Promise.all([up.closed, down.closed]);
  assert.match(up.text, /^HTTP\/1.1 401 /);
  assert.equal(fs.existsSync(path.join(home, 'new')), false);
  assert.ok(down.bytes < size, `${down.bytes} bytes came`);
  assert.equal(await me(s, other), 200, 'the other sign-in goes on');
});

test('sign-ins are listed and ended one by one, or all but this', async (t) => {
  const s = await startServer(t);
  const ann = await s.user('ann');
  const tokens = [await s.login('ann', ann.password), await s.login('ann', ann.password)];
  const c = await s.client(ann), a = await s.client(tokens[0]), b = await s.client(tokens[1]);
  const list = await c.request('user.signins', {});
  assert.equal(list.length, 3);
  assert.deepEqual(list.map((one) => one.current), [true, false, false]);
  assert.ok(list.every((one) => one.address === '127.0.0.1' && one.expires > one.created));
  await closes(a, 'ended', () => c.request('user.sign_out', { signin: list[1].signin }));
  assert.equal(await me(s, tokens[0]), 401);
  await refused(c.request('user.sign_out', { signin: list[1].signin }), 'not_found');
  await refused(c.request('user.sign_out', {}), -32602);
  const bob = await s.client(await s.user('bob'));
  await refused(bob.request('user.sign_out', { signin: list[2].signin }), 'not_found'); // another's
  await closes(b, 'ended', () => c.request('user.sign_out', { all_others: true }));
  assert.equal((await c.request('user.signins', {})).length, 1);
});

test('an admin resets a password, gives a link, changes a role, signs out', async (t) => {
  const s = await startServer(t);
  const admin = await s.client(await s.login('admin', s.firstPassword));
  const ann = await s.user('ann');
  await refused((await s.client(ann)).request('admin.user_list', {}), 'forbidden');
  await closes(await s.client(ann), 'password',
    () => admin.request('admin.user_password', { name: 'ann', password: 'set by the admin' }));
  let token = await s.login('ann', 'set by the admin');

  const { link, expires_in } = await admin.request('admin.user_link', { name: 'ann' });
  assert.ok(expires_in > 0);
  const by = (l) => s.fetch('/api/login', { json: { link: l } });
  assert.equal((await by(link)).status, 200);
  assert.equal((await by(link)).status, 401);

  await closes(await s.client(token), 'role', () => admin.request('admin.user_role', { name: 'ann', role: 'teacher' }));
  token = await s.login('ann', 'set by the admin');
  const teacher = await s.client(token);
  assert.equal(teacher.hello.user.role, 'teacher');
  await teacher.request('session.list', { all: true });
  await closes(teacher, 'role', () => admin.request('admin.user_role', { name: 'ann', role: 'student' }));
  const student = await s.client(await s.login('ann', 'set by the admin'));
  await refused(student.request('session.list', { all: true }), 'forbidden');
  await closes(student, 'ended', () => admin.request('admin.user_sign_out', { name: 'ann' }));

  await refused(admin.request('admin.user_role', { name: 'ann', role: 'king' }), -32602);
  await refused(admin.request('admin.user_role', { name: 'nobody', role: 'admin' }), 'not_found');
  const fresh = await admin.request('admin.user_add', { name: 'cy', role: 'student' });
  assert.equal((await by(fresh.link)).status, 200);
  await refused(admin.request('admin.user_add', { name: 'cy', role: 'student' }), 'exists');
});

test('disabled: sockets and programs end, nobody signs in, until enabled', async (t) => {
  const s = await startServer(t);
  const admin = await s.client(await s.login('admin', s.firstPassword));
  const ann = await s.user('ann');
  const { link } = await admin.request('admin.user_link', { name: 'ann' });
  const c = await s.client(ann);
  await c.write('home/a.py', 'import time\nprint("on", flush=True)\ntime.sleep(600)\n');
  const run = await c.openSession({ kind: 'run', path: 'home/a.py' });
  await c.waitFor(() => /on/.test(run.text), { what: 'the program' });
  await closes(c, 'disabled', () => admin.request('admin.user_disable', { name: 'ann' }));
  await until(async () => (await admin.request('session.list', { all: true }))
    .every((one) => one.owner !== 'ann' || one.state === 'ended'), { what: 'the end of the program' });
  await assert.rejects(s.login('ann', ann.password), /401/);
  assert.equal((await s.fetch('/api/login', { json: { link } })).status, 401);
  await refused(admin.request('admin.user_link', { name: 'ann' }), 'conflict');
  const locks = await admin.request('admin.locks', {});
  assert.ok(locks.violations === 0 && locks.classes.some((c) => c.name === 'session'));
  assert.deepEqual((await admin.request('admin.user_list', {})).users.map((u) => [u.name, u.state]),
    [['admin', 'enabled'], ['ann', 'disabled']]);
  await admin.request('admin.user_enable', { name: 'ann' });
  const again = await s.client(await s.login('ann', ann.password));
  assert.equal((await again.request('fs.stat', { path: 'home/a.py' })).type, 'file');
});

test('deleted: files and name are kept; purged: both are gone, the uid is not given again', async (t) => {
  const s = await startServer(t);
  const admin = await s.client(await s.login('admin', s.firstPassword));
  const ann = await s.user('ann');
  const outside = path.join(s.dir, 'canary');
  fs.writeFileSync(outside, 'untouched');
  const c = await s.client(ann);
  await c.runProgram('home/a.py', `import os\nos.symlink(${JSON.stringify(s.dir)}, "out")\nos.symlink("/", "root")
os.makedirs("d/" * 300)\nos.chmod("d", 0)\n`);
  const uid = (await admin.request('admin.user_list', {})).users.find((u) => u.name === 'ann').uid;
  const sleeper = await c.openSession({ kind: 'shell', cols: 80, rows: 24 });
  await c.waitFor(() => sleeper.text.length > 0, { what: 'a prompt' });
  await refused(admin.request('admin.user_purge', { name: 'ann' }), 'conflict');
  await closes(c, 'deleted', () => admin.request('admin.user_delete', { name: 'ann' }));
  await assert.rejects(s.login('ann', ann.password), /401/);
  const home = path.join(s.data, 'users/ann');
  assert.ok(fs.existsSync(path.join(home, 'home/a.py')));
  await refused(admin.request('admin.user_add', { name: 'ann', role: 'student', password: 'a new secret' }), 'conflict');
  await refused(admin.request('admin.user_enable', { name: 'ann' }), 'conflict');
  await until(() => admin.request('admin.user_purge', { name: 'ann' }).then(() => true,
    (e) => { assert.equal(e.word, 'busy', e.message); return false; }), { what: 'the purge', every: 200, timeout: 10000 });
  assert.ok(!fs.existsSync(home));
  assert.equal(fs.readFileSync(outside, 'utf8'), 'untouched');
  assert.ok(fs.existsSync(path.join(s.data, 'latch.db')));
  await refused(admin.request('admin.user_purge', { name: 'ann' }), 'not_found');
  await admin.request('admin.user_add', { name: 'ann', role: 'student', password: 'a new secret' });
  const fresh = await s.client(await s.login('ann', 'a new secret'));
  assert.deepEqual(await fresh.request('session.list', {}), []);
  assert.notEqual((await admin.request('admin.user_list', {})).users.find((u) => u.name === 'ann').uid, uid);
  assert.equal(await me(s, ann.token), 401);
});

test('the last admin who can sign in stays one', async (t) => {
  const s = await startServer(t);
  const admin = await s.client(await s.login('admin', s.firstPassword));
  for (const [method, more] of [['disable'], ['delete'], ['role', { role: 'teacher' }]])
    await refused(admin.request(`admin.user_${method}`, { name: 'admin', ...more }), 'conflict');
  const r = await s.ctl(['user', 'delete', 'admin']);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /the last admin/);
  assert.equal((await admin.request('user.me', {})).role, 'admin'); // nothing has ended
  await admin.request('admin.user_add', { name: 'root', role: 'admin', password: 'another secret' });
  await closes(admin, 'role', () => admin.request('admin.user_role', { name: 'admin', role: 'student' }));
  const root = await s.client(await s.login('root', 'another secret'));
  await refused(root.request('admin.user_disable', { name: 'root' }), 'conflict');
});

test('latchctl does the same, with a server and without', async (t) => {
  const s = await startServer(t);
  const ann = await s.user('ann');
  await closes(await s.client(ann), 'password', () => ctl(s, ['password', 'ann', '--password-stdin'], 'by latchctl\n'));
  const token = await s.login('ann', 'by latchctl');
  const link = /#link=(\S+)$/m.exec(await ctl(s, ['link', 'ann']))[1];
  assert.equal((await s.fetch('/api/login', { json: { link } })).status, 200);
  await closes(await s.client(token), 'ended', () => ctl(s, ['sign-out', 'ann']));
  await closes(await s.client(await s.login('ann', 'by latchctl')), 'role', () => ctl(s, ['role', 'ann', '--role', 'teacher']));
  const c = await s.client(await s.login('ann', 'by latchctl'));
  const shell = await c.openSession({ kind: 'shell', cols: 80, rows: 24 });
  await c.waitFor(() => shell.text.length > 0, { what: 'a prompt' });
  await s.stop();

  const off = (args, input) => s.ctl(['--config', s.configFile, 'user', ...args], input);
  assert.equal((await off(['disable', 'ann'])).code, 0);
  assert.match((await off(['list'])).stdout, /^ann\tteacher\t\d+\tdisabled$/m);
  assert.ok(s.survivors().length > 0); // the shell lives on without a server
  await s.restart();
  await assert.rejects(s.login('ann', 'by latchctl'), /401/);
  await ctl(s, ['delete', 'ann']);
  await until(async () => (await s.ctl(['user', 'purge', 'ann'])).code === 0, { what: 'the purge', every: 200, timeout: 10000 });
  assert.doesNotMatch(await ctl(s, ['list']), /^ann/m);
});

test('a single session: the newer sign-in ends the older, and says so', async (t) => {
  const s = await startServer(t, { config: { auth: { single_session: 'yes' } } });
  const ann = await s.user('ann');
  const old = await s.client(ann);
  const end = await closes(old, 'elsewhere', () => s.login('ann', ann.password));
  assert.equal(end.reason, 'no longer signed in: signed in elsewhere');
  assert.equal(await me(s, ann.token), 401);
  const tokens = await Promise.all([1, 2, 3, 4].map(() => s.login('ann', ann.password).catch(() => undefined)));
  const alive = (await Promise.all(tokens.filter(Boolean).map((one) => me(s, one)))).filter((code) => code === 200);
  assert.equal(alive.length, 1);
});
