// ACCEPTANCE 18: no setting is silently wrong. Each of these, given to the real latchd: exit 78, words that name
// the key, nothing listens, nothing is made.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';

import { isRoot, program, runToEnd, serviceUser, tempDir } from './lib.mjs';
import { inParallel } from './counts.mjs';

const ini = (section, line) => `[${section}]\n${line}\n`;

// The file's text or the arguments, and what the words must name.
const bad = [
  [ini('server', 'lisen = 127.0.0.1:1'), 'server.lisen'],
  [ini('sever', 'workers = 4'), '[sever]'],
  [ini('server', 'workers = four'), 'server.workers'],
  [ini('server', 'workers = 1'), 'server.workers'],
  [ini('server', 'workers = 65'), 'server.workers'],
  [ini('server', 'workers = -4'), 'server.workers'],
  [ini('server', 'workers = 4 4'), 'server.workers'],
  [ini('server', 'workers = 0x10'), 'server.workers'],
  [ini('server', 'workers ='), 'server.workers'],
  [ini('server', 'workers = 4\nworkers = 4'), 'server.workers'],
  [ini('server', 'workers = 4\n[run]\n[server]\nworkers = 5'), 'server.workers'],
  [ini('server', 'max_sockets = 99999999999999999999'), 'server.max_sockets'],
  [ini('server', 'http_threads = 4.5'), 'server.http_threads'],
  [ini('server', 'log_level = loud'), 'server.log_level'],
  [ini('server', 'public_url = code.example.org'), 'server.public_url'],
  [ini('server', 'public_url = https://code.example.org/path'), 'server.public_url'],
  [ini('server', 'data = relative'), 'server.data'],
  [ini('users', 'uid_base = 0'), 'users.uid_base'],
  [ini('users', 'uid_base = 60000\nuid_count = 10000'), 'users.uid_base'],
  [ini('auth', 'token_lifetime_s = 1'), 'auth.token_lifetime_s'],
  [ini('auth', 'failures_per_minute = 0'), 'auth.failures_per_minute'],
  [ini('limits', 'message_bytes = 1MiB'), 'limits.message_bytes'],
  [ini('limits', 'window_bytes = 262143'), 'limits.window_bytes'],
  [ini('limits', 'window_bytes = 1048576'), 'limits.window_bytes'],
  [ini('limits', 'viewers_per_session = 65'), 'limits.viewers_per_session'],
  [ini('limits', 'ended_kept = none'), 'limits.ended_kept'],
  [ini('run', 'wall_ms = 99'), 'run.wall_ms'],
  [ini('run', 'memory_bytes = 1'), 'run.memory_bytes'],
  [ini('session', 'ring_bytes = 1000000'), 'session.ring_bytes'],
  [ini('sandbox', 'bwrap = /nowhere/bwrap'), 'sandbox.bwrap'],
  [ini('sandbox', 'bwrap = bwrap'), 'sandbox.bwrap'],
  [ini('sandbox', 'bwrap = /etc/passwd'), 'sandbox.bwrap'],
  [ini('sandbox', 'python = /nowhere/python3'), 'sandbox.python'],
  [ini('diagnostics', 'echo = true'), 'diagnostics.echo'],
  ['workers = 4\n', 'workers'],
  ['[server]\nworkers\n', ', line '],
  ['[server\nworkers = 4\n', 'line 1'],
  [`[server]\nworkers = ${' '.repeat(200)}4\n`, 'too long'],
  [Buffer.from('[server]\nuser = l\xe4tch\n', 'latin1'), '--config'],
  [Buffer.from('[server]\n\0workers = 4\n'), '--config'],
  [undefined, '--config', ['--config', '/nowhere/latch.ini']],
  ['', '--lisen', ['--lisen', '127.0.0.1:0']],
  ['', '--listen', ['--listen', 'here']],
  ['', '--listen', ['--listen', '127.0.0.1:65536']],
  ['', '--listen', ['--listen']],
  ['', '--data', ['--data', '']],
  ['', '--data', ['--data', '/a', '--data', '/b']],
  ['', '--check-config', ['--check-config=yes']],
  ['', '--print-config', ['--check-config', '--print-config']],
  ['', '--port-file', ['--port-file', '/nowhere/port']],
  ...(isRoot ? [[ini('server', 'user = nobody-of-this-name'), 'server.user'], [ini('server', 'user = root'), 'server.user']] : []),
];

// latchd with this, where everything that it would make lies in a folder of its own. Nothing else is wrong.
async function start(dir, text, more, port) {
  const file = path.join(dir, 'latch.ini');
  const own = /^user/m.test(String(text)) || !isRoot ? '' : `[server]\nuser = ${serviceUser()}\n`;
  const args = [];
  if (text !== undefined) {
    fs.writeFileSync(file, Buffer.isBuffer(text) ? text : /\[server/.test(text) ? text.replace('[server]', `[server]\n${own.slice(9)}`.trimEnd()) : text + own);
    args.push('--config', file);
  }
  const given = (name) => more.some((a) => a.startsWith(name));
  if (!given('--data') && !/^data/m.test(String(text)))
    args.push('--data', path.join(dir, 'data'));
  if (!given('--listen'))
    args.push('--listen', `127.0.0.1:${port}`);
  if (!given('--port-file'))
    args.push('--port-file', path.join(dir, 'port'));
  return runToEnd(program('latchd'), [...args, ...more], { cwd: dir, timeout: 10000 });
}

async function freePort() {
  const s = net.createServer().listen(0, '127.0.0.1');
  await new Promise((r) => s.on('listening', r));
  const { port } = s.address();
  await new Promise((r) => s.close(r));
  return port;
}

// Whether anybody has listened: their port would be taken by nobody else, so it is watched from before the start.
function watchPort(port) {
  let heard = false, going = true;
  const look = () => {
    if (!going)
      return;
    const s = net.connect(port, '127.0.0.1');
    s.on('connect', () => { heard = true; s.destroy(); });
    s.on('error', () => {});
    s.on('close', () => setTimeout(look, 5));
  };
  look();
  return () => { going = false; return heard; };
}

test('18 each bad configuration: exit 78, the key named, nothing listens, nothing is made', async (t) => {
  assert.ok(bad.length >= 30);
  const top = tempDir('latch-bad-');
  t.after(() => fs.rmSync(top, { recursive: true, force: true }));
  await inParallel(bad.map((b, i) => [i, ...b]), 4, async ([i, text, name, more = []]) => {
    const dir = path.join(top, String(i)), port = await freePort();
    fs.mkdirSync(dir);
    const heard = watchPort(port);
    const r = await start(dir, text, more, port);
    const what = `${JSON.stringify(String(text))} ${more.join(' ')}: ${r.code} ${r.stderr}`;
    assert.equal(r.code, 78, what);
    assert.ok(r.stderr.includes(name), `${name} is not named: ${what}`);
    assert.equal(r.stdout, '', what);
    assert.equal(heard(), false, what);
    assert.deepEqual(fs.readdirSync(dir).filter((f) => f !== 'latch.ini'), [], `something was made: ${what}`);
  });
});

test('18 the same by --check-config, which makes nothing of what is right either', async (t) => {
  const dir = tempDir('latch-check-');
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const wrong = await start(dir, ini('server', 'workers = four'), ['--check-config'], 0);
  assert.equal(wrong.code, 78);
  assert.match(wrong.stderr, /server\.workers = four .*allowed is 2 to 64/);
  const right = await start(dir, ini('server', 'workers = 4'), ['--check-config'], 0);
  assert.equal(right.code, 0, right.stderr);
  assert.deepEqual(fs.readdirSync(dir), ['latch.ini']);
  const printed = await start(dir, ini('server', 'workers = 5'), ['--print-config'], 0);
  assert.match(printed.stdout, /^workers = 5 ; file$/m);
  assert.match(printed.stdout, /^http_threads = 32 ; default$/m);
  assert.match(printed.stdout, /^listen = 127\.0\.0\.1:0 ; command line$/m);
  assert.deepEqual(fs.readdirSync(dir), ['latch.ini']);
});
