// latchctl attach: a session in a terminal; the terminal is python3's pty.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Server, program, repo, until } from './lib.mjs';
import { QUERY } from './screen.mjs';

const shell = { kind: 'shell', cols: 80, rows: 24, env: { PS1: '$ ' } };
let server, ann, a;

// A terminal that runs `latchctl attach ...`: { text, type, waitText, resize, kill, end: { code, signal, cooked } }.
class Terminal {
  constructor(args) {
    this.text = '';
    let told = '';
    this.proc = spawn('python3', [path.join(repo, 'tests/e2e/in_pty.py'), '90', '30', program('latchctl'), '--data',
      server.data, 'attach', ...args], { stdio: ['pipe', 'pipe', 'inherit', 'pipe'], cwd: '/' });
    this.proc.stdout.on('data', (d) => (this.text += d));
    this.proc.stdio[3].on('data', (d) => (told += d));
    this.end = new Promise((resolve) => this.proc.on('close', () => resolve(JSON.parse(told))));
  }

  type(text) {
    this.proc.stdin.write(text);
  }

  waitText(wanted) {
    return until(() => (wanted instanceof RegExp ? wanted.test(this.text) : this.text.includes(wanted)),
      { timeout: 10000, what: `${wanted} in ${JSON.stringify(this.text.slice(-1500))}` });
  }

  signal(name) {
    this.proc.kill(name);
  }
}

const list = async () => (await a.request('session.list', {}));
const ended = (t, code) => t.end.then((e) => assert.deepEqual(e, { code, signal: null, cooked: [true, true] }, t.text));

before(async () => {
  server = await Server.start();
  ann = await server.user('ann');
  a = await server.client(ann);
});
after(() => server.destroy());

test('it types and shows, follows the size, and leaves the session behind at the key', async () => {
  const ch = await a.openSession(shell);
  const t = new Terminal([ch.session]);
  await t.waitText('[latchctl: ^\\ detaches]');
  t.type('stty size; echo $((6*7))here\r');
  await t.waitText('42here');
  assert.match(t.text, /[\r\n]30 90\r\n/);
  t.signal('SIGUSR1');
  await until(async () => (await list())[0].cols === 100, { what: 'the size' });
  t.type('stty size\r');
  await t.waitText(/[\r\n]40 100\r\n/);
  await ch.waitText('42here'); // others see it, and hear that they do not drive
  t.type('echo $((7*7))last\r\x1c');
  await ended(t, 0);
  assert.match(t.text, /\x1b\[\?25h\r\n\[latchctl: detached; it goes on\]\r\n$/);
  await ch.waitText('49last');
  assert.equal((await list())[0].state, 'running');
  const r = await server.ctl(['audit', 'list', '--json', '--what', 'session.attach_other']);
  assert.equal(JSON.parse(r.stdout.trim()).object, ch.session);
  await a.request('session.close', { session: ch.session });
});

test('questions in what is shown again are not asked again', async () => {
  const ch = await a.openSession(shell);
  ch.input("printf 'one\\033[c\\033]11;?\\007\\033[6n\\033[31mtwo\\033P$qm\\033\\\\\\033[0mthree%s\\n' xyz\r");
  await ch.waitText('threexyz');
  const t = new Terminal([ch.session, '--detach-key', '^A']);
  await t.waitText('threexyz');
  assert.match(t.text, /one\x1b\[0;31mtwo\x1b\[mthreexyz/);
  assert.doesNotMatch(t.text, QUERY);
  t.type("printf 'now\\033[c%s\\n' uvw\r"); // the present is the program's own
  await t.waitText('now\x1b[cuvw');
  t.type('\x01');
  await ended(t, 0);
  await a.request('session.close', { session: ch.session });
});

test('a viewer does not type; signals, of stopping as well, put the terminal back', async () => {
  const ch = await a.openSession(shell);
  const t = new Terminal(['--viewer', ch.session]);
  await t.waitText('$ ');
  t.type('echo $((8*8))no\r');
  await t.waitText('\x07');
  ch.input('echo $((9*9))yes\r');
  await t.waitText('81yes');
  assert.ok(!t.text.includes('64no'));
  t.signal('SIGUSR2'); // stopped by SIGTSTP, and on again
  await t.waitText('\x1b[?25h'); // put back
  ch.input('echo $((9*8))on\r');
  await t.waitText('72on');
  t.signal('SIGUSR2'); // SIGTERM
  assert.deepEqual(await t.end, { code: null, signal: 15, cooked: [true, true, false, true] });
  await a.request('session.close', { session: ch.session });
});

test('a killed server: back at the byte, what was typed meanwhile once; then the program\'s own code', async () => {
  await a.write('home/count.py', `input()
for i in range(20000):
    print(f"line {i}", flush=True)
while (s := input()) != "end":
    print("got", s, flush=True)
raise SystemExit(7)
`);
  const ch = await a.openSession({ ...shell, kind: 'run', path: 'home/count.py' });
  await a.close();
  const t = new Terminal([ch.session]);
  t.type('go\r');
  await t.waitText('line 4000\r');
  server.listen = `127.0.0.1:${server.port}`;
  await server.kill9();
  t.type('one\r');
  await server.restart();
  await t.waitText('got one');
  t.type('end\r');
  await ended(t, 7);
  assert.match(t.text, /\[latchctl: the session has ended: exited with code 7\]\r\n$/);
  const seen = [...t.text.matchAll(/line (\d+)\r\n/g)].map((m) => Number(m[1]));
  assert.deepEqual([seen.length, seen.findIndex((n, i) => n !== i)], [20000, -1]);
  assert.equal(t.text.split('got one').length, 2);
  a = await server.client(ann);
});

test('where the bytes are gone the screen is drawn, and goes on', async () => {
  await a.write('home/long.py', 'for i in range(30000): print(f"{i:059d}")\nraise SystemExit(int(input("which? ")))\n');
  const ch = await a.openSession({ ...shell, kind: 'run', path: 'home/long.py' });
  await ch.waitText('which? ', { timeout: 20000 });
  const t = new Terminal([ch.session]);
  await t.waitText(/029999[^]*which\?/);
  assert.match(t.text, /\x1b\[2J\x1b\[H/);
  assert.ok(t.text.length < 1 << 20, `${t.text.length} bytes`);
  t.type('5\r');
  await ended(t, 5);
});

test('a signal is 128 and its number; what cannot be is said', async () => {
  await a.write('home/loop.py', 'import time\nprint("ready", flush=True)\nwhile True: time.sleep(0.1)\n');
  const ch = await a.openSession({ ...shell, kind: 'run', path: 'home/loop.py' });
  const t = new Terminal([ch.session]);
  await t.waitText('ready');
  await a.request('session.signal', { session: ch.session, signal: 'KILL' });
  await ended(t, 128 + 9);
  assert.match(t.text, /ended by SIGKILL/);
  const late = new Terminal([ch.session]); // it has ended: what it printed, and how it ended
  await ended(late, 128 + 9);
  assert.match(late.text, /ready/);
  const none = new Terminal(['a'.repeat(26)]);
  assert.equal((await none.end).code, 1);
  assert.match(none.text, /latchctl: there is no such session/);
  const piped = await server.ctl(['attach', ch.session]);
  assert.deepEqual([piped.code, piped.stderr],
    [1, 'latchctl: attach wants a terminal; `session send` is for scripts\n']);
  const key = await server.ctl(['attach', ch.session, '--detach-key', 'x']);
  assert.match(key.stderr, /--detach-key x: allowed is \^A to \^Z/);
});
