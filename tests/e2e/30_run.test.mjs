// kind run, as PROTOCOL.md says: with and without a terminal, input with counts, resize, signals, stop, limits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server, slow, until } from './lib.mjs';

let server, ann;
test.before(async () => {
  server = await Server.start({ config: { limits: { runs_per_minute: 1000 } } });
  ann = await server.user('ann');
});
test.after(() => server.destroy());

async function withClient(work) {
  const c = await server.client(ann);
  await work(c);
  assert.deepEqual(c.violations, []);
  await c.close();
}
const run = { kind: 'run', cols: 80, rows: 24 };

test('stdout and stderr are told apart without a terminal, in one space of offsets', () => withClient(async (c) => {
  const ch = await c.runProgram('home/both.py',
    'import sys, time\nfor i in range(3):\n    print("out", i, flush=True); time.sleep(0.05)\n    print("err", i, file=sys.stderr, flush=True); time.sleep(0.05)\n', { tty: false });
  assert.equal(ch.out.toString(), 'out 0\nout 1\nout 2\n');
  assert.equal(ch.err.toString(), 'err 0\nerr 1\nerr 2\n');
  assert.equal(ch.all.toString(), 'out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\n', 'in the order of writing');
  assert.equal(ch.exit.offset, ch.all.length);
}));

test('a terminal is a terminal: its name, its size, and what it does with lines', () => withClient(async (c) => {
  const ch = await c.runProgram('home/tty.py',
    'import os, sys\nprint(os.isatty(0), os.isatty(1), os.isatty(2), os.ttyname(0).startswith("/dev/pts/"))\nprint(os.get_terminal_size())\nopen("/dev/tty", "w").write("direct\\n")\n',
    { cols: 101, rows: 37 });
  assert.equal(ch.text, 'True True True True\r\nos.terminal_size(columns=101, lines=37)\r\ndirect\r\n');
}));

test('resize reaches the program, and the answer says what was applied', () => withClient(async (c) => {
  await c.write('home/winch.py', 'import os, signal, time\ndone = False\ndef f(*_):\n    global done\n    done = True\nsignal.signal(signal.SIGWINCH, f)\nprint("ready", flush=True)\nwhile not done: time.sleep(0.01)\nprint(tuple(os.get_terminal_size()))\n');
  const ch = await c.openSession({ ...run, path: 'home/winch.py' });
  await ch.waitText('ready');
  assert.deepEqual(await c.request('session.resize', { channel: ch.number, cols: 132, rows: 50 }), { cols: 132, rows: 50 });
  await ch.waitText('(132, 50)');
  assert.equal((await ch.waitExit()).code, 0);
}));

test('input is taken once however often it is sent, and a hole is refused', () => withClient(async (c) => {
  await c.write('home/cat.py', 'import sys\nfor l in sys.stdin: print("<" + l.strip() + ">", flush=True)\n');
  const ch = await c.openSession({ ...run, path: 'home/cat.py', tty: false });
  const line = Buffer.from('hello\n');
  for (let i = 0; i < 5; i++) c.binary(2, ch.number, 0, line); // the same bytes five times
  ch.inputSent = line.length;
  await ch.waitText('<hello>');
  c.binary(2, ch.number, 3, Buffer.from('lo\nworld\n')); // overlaps what was taken
  ch.inputSent = 12;
  await ch.waitText('<world>\n');
  await ch.waitInputAcked(12);
  c.binary(2, ch.number, 50, Buffer.from('far\n')); // a hole
  await c.waitFor(() => ch.refusals.length > 0, { what: 'the refusal of a hole' });
  assert.equal(ch.refusals[0].offset, 12, 'send again from here');
  assert.equal(ch.out.toString(), '<hello>\n<world>\n');
  await c.request('session.stop', { session: ch.session });
  await ch.waitExit();
}));

test('input above input_bytes that nobody reads is refused, and nothing is lost', () => withClient(async (c) => {
  await c.write('home/late.py', 'import sys, time\nprint("ready", flush=True)\ntime.sleep(1)\nd = sys.stdin.buffer.read(300000)\nprint(len(d), d == b"0123456789" * 30000, flush=True)\n');
  const ch = await c.openSession({ ...run, path: 'home/late.py', tty: false });
  await ch.waitText('ready');
  const all = Buffer.from('0123456789'.repeat(30000));
  for (let i = 0; i < all.length; i += 10000) ch.input(all.subarray(i, i + 10000));
  await c.waitFor(() => ch.refusals.length > 0, { what: 'a refusal at the limit' });
  while (!ch.exit && ch.inputAcked < all.length) {
    const seen = ch.refusals.length;
    ch.resendFrom(ch.refusals.at(-1).offset);
    await until(() => ch.refusals.length > seen || ch.inputAcked >= all.length || ch.exit, { what: 'an answer to input', timeout: 20_000 });
    await new Promise((r) => setTimeout(r, 20));
  }
  await ch.waitText('300000 True');
  await ch.waitExit();
}));

test('signals arrive by name, and unknown ones are refused in words', () => withClient(async (c) => {
  await c.write('home/sig.py', 'import os, signal, time\nfor s in ("INT","TERM","HUP","QUIT","USR1","USR2"):\n    signal.signal(getattr(signal, "SIG"+s), lambda n, f: os.write(1, signal.Signals(n).name.encode() + b"\\n"))\nprint("ready", flush=True)\nwhile True: time.sleep(0.01)\n');
  const ch = await c.openSession({ ...run, path: 'home/sig.py' });
  await ch.waitText('ready');
  for (const s of ['INT', 'TERM', 'HUP', 'QUIT', 'USR1', 'USR2']) {
    assert.deepEqual(await c.request('session.signal', { session: ch.session, signal: s }), {});
    await ch.waitText(`SIG${s}`);
  }
  await assert.rejects(c.request('session.signal', { session: ch.session, signal: 'SEGV' }), (e) => e.code === -32602 && /INT/.test(e.text));
  await c.request('session.signal', { session: ch.session, signal: 'KILL' });
  const exit = await ch.waitExit();
  assert.equal(exit.signal, 'KILL');
  assert.equal(exit.code, undefined);
}));

test('stop ends the whole tree: what ignores TERM, what called setsid', () => withClient(async (c) => {
  await c.write('home/stubborn.py', 'import os, signal, time, subprocess\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nfor i in range(3):\n    if os.fork() == 0:\n        os.setsid()\n        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n        while True: time.sleep(1)\nprint("ready", flush=True)\nwhile True:\n    try:\n        while True: time.sleep(1)\n    except BaseException: pass\n');
  const ch = await c.openSession({ ...run, path: 'home/stubborn.py' });
  await ch.waitText('ready');
  const began = Date.now();
  assert.deepEqual(await c.request('session.stop', { session: ch.session }), {});
  const exit = await ch.waitExit();
  const took = Date.now() - began;
  assert.equal(exit.verdict, 'stopped');
  assert.ok(took > 1500, `TERM first, ${took} ms`);
  assert.ok(took < 2500 * slow, `then KILL, ${took} ms`);
}));

test('wall_ms ends what does not end, only downwards', () => withClient(async (c) => {
  await c.write('home/forever.py', 'while True:\n    try:\n        while True: pass\n    except BaseException: pass\n');
  const ch = await c.openSession({ ...run, path: 'home/forever.py', limits: { wall_ms: 500 } });
  const exit = await ch.waitExit();
  assert.equal(exit.verdict, 'timeout');
  assert.ok(exit.usage.wall_ms >= 500 && exit.usage.wall_ms <= 500 + (2000 + 500) * slow, JSON.stringify(exit.usage));
  await assert.rejects(c.openSession({ ...run, path: 'home/forever.py', limits: { wall_ms: 10 ** 12 } }), (e) => e.code === -32602 && /wall_ms/.test(e.text));
}));

test('exit codes, signals and usage are told', () => withClient(async (c) => {
  const three = await c.runProgram('home/three.py', 'import sys\nsys.exit(3)\n');
  assert.equal(three.exit.code, 3);
  assert.equal(three.exit.verdict, 'exited');
  assert.equal(three.exit.signal, undefined);
  const segv = await c.runProgram('home/segv.py', 'import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n');
  assert.equal(segv.exit.signal, 'SEGV');
  assert.equal(segv.exit.verdict, 'killed');
  const busy = await c.runProgram('home/busy.py', 'x = bytearray(50_000_000)\nfor i in range(2_000_000): pass\n');
  assert.ok(busy.exit.usage.cpu_ms > 10, JSON.stringify(busy.exit.usage));
  assert.ok(busy.exit.usage.peak_bytes > 50e6, JSON.stringify(busy.exit.usage));
}));

test('what cannot run is refused in words', () => withClient(async (c) => {
  await c.write('home/a.xyz', 'x');
  await assert.rejects(c.openSession({ ...run, path: 'home/a.xyz' }), (e) => /python/.test(e.text));
  await assert.rejects(c.openSession({ ...run, path: 'home/none.py' }), (e) => e.word === 'not_found');
  await assert.rejects(c.openSession({ ...run, path: 'home' }), (e) => e.text.length > 0);
  await assert.rejects(c.openSession({ ...run, path: '../../etc/passwd' }), (e) => e.code === -32602);
  await assert.rejects(c.openSession({ ...run, path: '/etc/passwd' }), (e) => e.code === -32602);
  await assert.rejects(c.request('session.open', { ...run, path: 'home/a.py', colour: 'red' }), (e) => e.code === -32602 && /colour/.test(e.text));
  await assert.rejects(c.request('session.open', { kind: 'dance' }), (e) => e.code === -32602);
}));

test('a flood is lossless for its driver, and waits for a driver that does not acknowledge', () => withClient(async (c) => {
  await c.write('home/flood.py', 'import sys\nfor i in range(400000): sys.stdout.write("%d\\n" % i)\n');
  const ch = await c.openSession({ ...run, path: 'home/flood.py', tty: false });
  await ch.waitExit({ timeout: 60_000 });
  let want = '';
  for (let i = 0; i < 400000; i++) want += `${i}\n`;
  assert.ok(ch.text === want, 'every byte');
  assert.deepEqual(ch.gaps, []);
}));

test('the cage: nothing of other users, of DIR, of the host', async () => {
  const bob = await server.user('bob');
  const b = await server.client(bob);
  await b.write('home/secret.txt', 'the secret of bob');
  await withClient(async (c) => {
    const ch = await c.runProgram('home/look.py', `import os, subprocess
found = []
for root in ('/work', '/proc', '/tmp', '/run', '/var', '/home', '/root', '/etc', '/dev', '/sys', '/srv', '/opt', '/mnt', '/'):
    try: names = os.listdir(root)
    except OSError: continue
    for n in names:
        if 'bob' in n: found.append(root + '/' + n)
for p in ('/proc/mounts', '/proc/self/mountinfo', '/etc/passwd', '/proc/1/environ', '/proc/1/cmdline', '/proc/self/environ'):
    try: s = open(p, 'rb').read()
    except OSError: continue
    if b'bob' in s: found.append(p)
print('found', found)
print('root', sorted(os.listdir('/work')), os.getuid() != 0)
for p in ('/work/../${server.data.slice(1)}', ${JSON.stringify(server.data)}, '/root', '/home'):
    try: print('listed', p, os.listdir(p)[:3])
    except OSError: pass
for p in ('/usr/x', '/etc/x', '/work/x', '/work/courses/x'):
    try: open(p, 'w'); print('wrote', p)
    except OSError: pass
import socket
try:
    socket.create_connection(('127.0.0.1', ${server.port}), timeout=1); print('network')
except OSError: pass
print('pids', sorted(int(p) for p in os.listdir('/proc') if p.isdigit())[0], len([p for p in os.listdir('/proc') if p.isdigit()]) < 6)
`);
    assert.match(ch.text, /^found \[\]\r\n/, ch.text);
    assert.match(ch.text, /root \['courses', 'home'\] True/, ch.text);
    assert.doesNotMatch(ch.text, /listed .*(users|latch|data)/, ch.text);
    assert.doesNotMatch(ch.text, /wrote|network|Traceback/, ch.text);
    assert.match(ch.text, /pids 1 True/, ch.text);
  });
});
