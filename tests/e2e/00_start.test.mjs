// A server's start and end: what it prints, what it refuses and with which words, who it becomes, how it goes.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';

import {
  configText, isRoot, ORDINARY_UID, processStatus, program, runToEnd, Server, serviceUser, slow, startServer, tempDir,
  until,
} from './lib.mjs';

const asWhom = isRoot ? [undefined, 'ordinary'] : [undefined];
const nameOf = (as) => as ?? (isRoot ? 'root' : 'an ordinary user');

function childrenOf(pid) {
  return fs.readdirSync('/proc').filter((p) => /^\d+$/.test(p))
    .filter((p) => processStatus(p)?.PPid === String(pid)).map(Number);
}

// latchd with these arguments, which is expected to end by itself.
function latchd(args, options) {
  return runToEnd(program('latchd'), args, { cwd: '/', timeout: 15000, ...options });
}

for (const as of asWhom) {
  test(`first start as ${nameOf(as)}: link and password once, healthz, and gone in under 5 s`, async (t) => {
    const s = await startServer(t, { as });
    assert.match(fs.readFileSync(s.portFile, 'utf8'), /^127\.0\.0\.1:\d+\n$/);
    assert.ok(s.firstLink?.startsWith(`${s.url}/#link=`), s.stdout);
    assert.ok(s.firstPassword?.length >= 16, s.stdout);
    for (const route of ['/healthz', '/readyz']) {
      const r = await s.fetch(route);
      assert.equal(r.status, 200);
      assert.equal(typeof await r.json(), 'object');
    }
    const end = await s.stop();
    assert.deepEqual([end.code, end.signal], [0, null], s.stderr);
    assert.ok(end.ms < 5000 * slow, `it took ${end.ms} ms`);
    await assert.rejects(s.fetch('/healthz'));
  });

  test(`as ${nameOf(as)}: the link signs in once, the password as often as one likes`, async (t) => {
    const s = await startServer(t, { as });
    const link = s.firstLink.split('#link=')[1];
    const first = await s.fetch('/api/login', { json: { link } });
    assert.equal(first.status, 200, await first.clone().text());
    assert.equal((await first.json()).user.name, 'admin');
    assert.equal((await s.fetch('/api/login', { json: { link } })).status, 401);
    await s.login('admin', s.firstPassword);
    await s.login('admin', s.firstPassword);
    const { firstPassword } = s;
    await s.restart();
    assert.doesNotMatch(s.stdout, /link=|password/i, 'the second start has nobody to introduce');
    await s.login('admin', firstPassword);
    assert.ok(!s.stderr.includes(link) && !s.stderr.includes(firstPassword));
  });
}

test('no secret is in the log', async (t) => {
  const s = await startServer(t, { config: { server: { log_level: 'debug' } } });
  const ann = await s.user('ann', 'student', 'a very secret password');
  const c = await s.client(ann);
  await c.write('home/a.py', 'print("what a program says")\n');
  await c.close();
  await s.stop();
  assert.match(s.stderr, /event=server\.ready/);
  for (const secret of [ann.token, ann.password, s.firstPassword, s.firstLink.split('#link=')[1], 'what a program'])
    assert.ok(!s.stderr.includes(secret), `${secret} is in the log`);
  for (const line of s.stderr.trim().split('\n'))
    assert.match(line, /^time=\S+ level=(debug|info|warn|error) event=[a-z_.]+( |$)/);
});

test('a second server on the same DIR is refused in words; the first goes on', async (t) => {
  const s = await startServer(t);
  const r = await latchd(['--data', s.data, '--listen', '127.0.0.1:0', '--config', s.configFile]);
  assert.equal(r.code, 1, r.stderr);
  assert.ok(r.stderr.includes(s.data), r.stderr);
  assert.equal((await s.fetch('/healthz')).status, 200);
});

test('a taken address is refused, naming it', async (t) => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await new Promise((ok) => taken.once('listening', ok));
  t.after(() => taken.close());
  const dir = tempDir();
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const { port } = taken.address();
  const r = await latchd(['--data', path.join(dir, 'data'), '--listen', `127.0.0.1:${port}`]);
  assert.equal(r.code, 78, r.stderr);
  assert.match(r.stderr, new RegExp(`listen.*${port}`));
  assert.equal(r.stdout, '', 'nobody was made admin');
});

const bad = [
  // [what, config text, further arguments, what the words name]
  ['an unknown section', '[sever]\nworkers = 2\n', [], /sever/],
  ['an unknown key', '[server]\nworker = 2\n', [], /server\.worker/],
  ['a key twice', '[server]\nworkers = 2\nworkers = 3\n', [], /server\.workers/],
  ['a word for a number', '[server]\nworkers = many\n', [], /server\.workers/],
  ['a number out of range', '[limits]\nviewers_per_session = 0\n', [], /limits\.viewers_per_session/],
  ['no bubblewrap there', '[sandbox]\nbwrap = /nonexistent/bwrap\n', [], /sandbox\.bwrap.*\/nonexistent/],
  ['no python there', '[sandbox]\npython = /nonexistent/python\n', [], /sandbox\.python.*\/nonexistent/],
  ['an address that is none', '', ['--listen', 'nowhere'], /listen/],
  ['a port above all ports', '', ['--listen', '127.0.0.1:70000'], /listen/],
  ['a port file in no folder', '', ['--port-file', '/nonexistent/port'], /port-file.*\/nonexistent/],
  ['more sockets than descriptors', '[server]\nmax_sockets = 600\n', [], /max_sockets: 600 sockets need 4408 open files/, ['prlimit', '--nofile=2000:2000']],
  ['an unknown option', '', ['--quiet'], /quiet/],
  ['a configuration that is not there', null, ['--config', '/nonexistent/latch.ini'], /\/nonexistent\/latch\.ini/],
  ...(isRoot ? [
    ['a user that is not there', '[server]\nuser = nobody-there\n', [], /server\.user.*adduser/],
    ['root as the user', '[server]\nuser = root\n', [], /server\.user.*root/],
  ] : []),
];

for (const [what, text, args, named, wrap] of bad) {
  test(`bad configuration: ${what}: 78, named, nothing made`, async (t) => {
    const dir = tempDir();
    t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
    const data = path.join(dir, 'data'), portFile = path.join(dir, 'port'), file = path.join(dir, 'latch.ini');
    const argv = ['--data', data];
    if (!args.includes('--listen'))
      argv.push('--listen', '127.0.0.1:0');
    if (!args.includes('--port-file'))
      argv.push('--port-file', portFile);
    if (text !== null) {
      const own = isRoot && !/user =/.test(text) ? configText({ server: { user: serviceUser() } }) : '';
      const merged = text.startsWith('[server]\n') && own ? own + text.slice('[server]\n'.length) : own + text;
      fs.writeFileSync(file, merged);
      argv.push('--config', file);
    }
    argv.push(...args);
    let r;
    if (wrap) { // root may raise its limit: an ordinary user may not
      fs.chmodSync(file, 0o644);
      if (isRoot)
        fs.chownSync(dir, ORDINARY_UID, ORDINARY_UID);
      r = await runToEnd(wrap[0], [...wrap.slice(1), program('latchd'), ...argv],
        { cwd: '/', ...(isRoot ? { uid: ORDINARY_UID, gid: ORDINARY_UID } : {}) });
    } else {
      r = await latchd(argv);
    }
    assert.equal(r.code, 78, r.stdout + r.stderr);
    assert.match(r.stderr, named);
    assert.equal(r.stdout, '');
    assert.ok(!fs.existsSync(data), 'DIR was made');
    assert.ok(!fs.existsSync(portFile), 'the port file was made');
  });
}

test('--check-config says whether it would start, and makes nothing', async (t) => {
  const dir = tempDir();
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const data = path.join(dir, 'data'), file = path.join(dir, 'latch.ini');
  fs.writeFileSync(file, configText({ server: isRoot ? { user: serviceUser() } : {} }));
  const good = await latchd(['--data', data, '--config', file, '--check-config']);
  assert.equal(good.code, 0, good.stderr);
  assert.ok(!fs.existsSync(data));
  fs.appendFileSync(file, '[limits]\nnonsense = 1\n');
  assert.equal((await latchd(['--data', data, '--config', file, '--check-config'])).code, 78);
});

test('as root: latchd is the service user with three capabilities, and the spawner is its child', { skip: !isRoot && 'needs root' }, async (t) => {
  const s = await startServer(t);
  const status = processStatus(s.pid);
  const uid = fs.readFileSync('/etc/passwd', 'utf8').split('\n').find((l) => l.startsWith(`${serviceUser()}:`)).split(':')[2];
  assert.equal(status.Uid, `${uid}\t${uid}\t${uid}\t${uid}`);
  assert.equal(status.CapPrm, '000000000000000b');
  assert.equal(status.CapEff, '000000000000000b');
  const threads = fs.readdirSync(`/proc/${s.pid}/task`).map(processStatus).filter((own) => own); // one may end
  assert.ok(threads.length > 10);
  for (const own of threads)
    assert.equal(own.CapPrm, '000000000000000b', `thread ${own.Pid}`);
  assert.equal(childrenOf(s.pid).length, 1);
});

test('as root: a DIR beneath a closed folder is refused, naming the folder', { skip: !isRoot && 'needs root' }, async (t) => {
  const dir = tempDir();
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const shut = path.join(dir, 'shut');
  fs.mkdirSync(shut, { mode: 0o700 });
  const r = await latchd(['--data', path.join(shut, 'data'), '--listen', '127.0.0.1:0']);
  assert.equal(r.code, 78, r.stderr);
  assert.ok(r.stderr.includes(`${shut}:`), r.stderr);
  assert.deepEqual(fs.readdirSync(shut), []);
});

test('as root: programs beneath a closed folder serve as they are; one that may not be executed is named', { skip: !isRoot && 'needs root' }, async (t) => {
  const dir = tempDir();
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const shut = path.join(dir, 'shut');
  fs.mkdirSync(shut, { mode: 0o700 });
  for (const name of ['latchd', 'latch-spawn', 'latch-hold', 'latch-init'])
    fs.copyFileSync(program(name), path.join(shut, name));
  const s = await startServer(t, { bin: shut });
  const c = await s.client(await s.user('ann'));
  assert.equal((await c.runProgram('home/a.py', 'print(6 * 7)\n')).text, '42\r\n');
  await s.stop();
  fs.chmodSync(path.join(shut, 'latch-hold'), 0o700);
  const r = await runToEnd(path.join(shut, 'latchd'), ['--data', path.join(dir, 'data'), '--listen', '127.0.0.1:0'], { cwd: '/' });
  assert.equal(r.code, 78, r.stderr);
  assert.ok(r.stderr.includes(`${shut}/latch-hold:`), r.stderr);
});

test('latchctl: users, and a stop that returns once DIR is free', async (t) => {
  const s = await startServer(t);
  const sock = fs.statSync(path.join(s.data, 'control.sock'));
  assert.equal(sock.mode & 0o777, 0o600);
  await s.user('ann');
  const again = await s.ctl(['user', 'add', 'ann', '--role', 'student', '--password-stdin'], 'another one\n');
  assert.notEqual(again.code, 0);
  assert.match(again.stderr, /already|exists/);
  const short = await s.ctl(['user', 'add', 'bob', '--role', 'student', '--password-stdin'], 'short\n');
  assert.notEqual(short.code, 0);
  assert.match(short.stderr, /8/);
  const stop = await s.ctl(['stop']);
  assert.equal(stop.code, 0, stop.stderr);
  const again2 = await Server.start({ dir: s.dir });
  t.after(() => again2.destroy());
  assert.deepEqual((await s.exited).code, 0);
  assert.equal((await again2.fetch('/healthz')).status, 200);
});

test('SIGTERM tells clients 1012, latchctl stop --end-sessions tells 1001', async (t) => {
  const s = await startServer(t);
  const ann = await s.user('ann');
  let c = await s.client(ann);
  assert.equal((await s.stop()).code, 0);
  assert.equal((await c.closed).code, 1012);
  await s.restart();
  c = await s.client(ann);
  const stop = await s.ctl(['stop', '--end-sessions']);
  assert.equal(stop.code, 0, stop.stderr);
  assert.equal((await c.closed).code, 1001);
  assert.equal((await s.exited).code, 0);
});

test('SIGHUP reads the settings again, and nothing else happens; SIGINT ends as SIGTERM does', async (t) => {
  const s = await startServer(t);
  s.proc.kill('SIGHUP');
  await until(() => /event=config\.reloaded/.test(s.stderr), { what: 'the log line' });
  assert.equal((await s.fetch('/healthz')).status, 200);
  assert.equal((await s.stop('SIGINT')).code, 0);
});

test("the spawner's end ends the server: 1012, status 1", async (t) => {
  const s = await startServer(t);
  const c = await s.client(await s.user('ann'));
  const [spawner, ...others] = childrenOf(s.pid);
  assert.deepEqual(others, []);
  process.kill(spawner, 'SIGKILL');
  assert.equal((await s.exited).code, 1);
  assert.equal((await c.closed).code, 1012);
  assert.match(s.stderr, /spawner/);
});

test('a killed server leaves a stale port file and socket; the next start minds neither', async (t) => {
  const s = await startServer(t);
  await s.kill9();
  fs.writeFileSync(s.portFile, '127.0.0.1:1\n');
  const next = new Server({ dir: s.dir });
  t.after(() => next.destroy());
  fs.writeFileSync(s.portFile, '127.0.0.1:1\n');
  next.launch();
  await until(() => !fs.existsSync(s.portFile) || fs.readFileSync(s.portFile, 'utf8') !== '127.0.0.1:1\n',
    { what: 'the stale port file to go', timeout: 15000 });
  await next.ready();
  assert.notEqual(next.port, 1);
  assert.equal((await next.fetch('/healthz')).status, 200);
});

test('started with its standard descriptors closed, it keeps its store clean of log lines', async (t) => {
  const s = new Server({ wrap: ['sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh'] });
  t.after(() => s.destroy());
  s.launch();
  await until(() => fs.existsSync(s.portFile), { what: 'the port file', timeout: 15000 });
  const [host, port] = fs.readFileSync(s.portFile, 'utf8').trim().split(':');
  assert.equal((await fetch(`http://${host}:${port}/healthz`)).status, 200);
  for (const fd of [0, 1, 2])
    assert.equal(fs.readlinkSync(`/proc/${s.pid}/fd/${fd}`), '/dev/null');
  assert.equal((await s.stop()).code, 0);
  assert.ok(!fs.readFileSync(path.join(s.data, 'latch.db'), 'latin1').includes('event='));
});
