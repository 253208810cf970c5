// latchctl with and without a server, as root and as an ordinary user.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { Server, isRoot, program, runToEnd, startServer, tempDir } from './lib.mjs';

const add = (name, role = 'student') => ['user', 'add', name, '--role', role, '--password-stdin'];

// latchctl on the DIR of a server that does not run yet.
const ctl = (s, args, input) => s.ctl(['--config', s.configFile, ...args], input);

// The figures of a server that is used, its level switched while it is, and the trace of what came after.
async function locks(s, client) {
  const ok = async (...args) => {
    const r = await ctl(s, ['locks', ...args]);
    assert.equal(r.code, 0, r.stderr);
    return r.stdout;
  };
  const before = JSON.parse(await ok('--json'));
  assert.equal(before.violations, 0);
  assert.ok(before.classes.find((c) => c.name === 'session').taken > 0);
  assert.ok(before.holds.length > 0 && before.holds[0].longest_hold_ns > 0);
  assert.equal(await ok('--level', '2'), `lock level 2 (it was ${before.level})\n`);
  await client.request('session.list', {});
  const table = await ok();
  assert.match(table, /^level 2, 0 violations\n\nclass +taken +waited +wait p50 .*\nregistry +\d+ +\d+ /);
  assert.match(table, /\nclass +longest +held at\n(.+ src\/\w+\/\w+\.[ch]:\d+ \(\w+\)\n)+$/);
  const events = (await ok('--trace', '--json')).trim().split('\n').map((line) => JSON.parse(line));
  assert.ok(events.some((e) => e.class === 'session' && e.step === 'take' && /^src\/session\//.test(e.place)));
  assert.match(await ok('--trace'), /^\S+ \d+ \d+ (take|drop|wait|cond_wait)/m);
  assert.match(await ok('--waits'), /^ {2}threads +\d+, of which \d+ hold or wait for a lock\n/);
  const both = await ctl(s, ['locks', '--waits', '--trace']);
  assert.match(both.stderr, /--level, --trace, --waits: one of them/);
  const bad = await ctl(s, ['locks', '--level', '3']);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /--level 3: allowed is 0, 1 or 2/);
}

for (const as of isRoot ? ['root', 'ordinary'] : ['ordinary'])
  test(`a user made before the first start, as ${as}, signs in and runs a program`, async (t) => {
    const s = new Server({ as });
    s.status = { code: null }; // nothing runs yet
    t.after(() => s.destroy());
    const made = await ctl(s, add('ann', 'teacher'), 'a long password\r\n');
    assert.equal(made.code, 0, made.stderr);
    const list = await ctl(s, ['user', 'list']);
    assert.match(list.stdout, /^ann\tteacher\t\d+\n$/);
    for (const args of [['stop'], ['locks'], ['locks', '--level', '2']]) {
      const none = await ctl(s, args);
      assert.equal(none.code, 1);
      assert.match(none.stderr, /no server runs there/);
    }

    s.status = undefined;
    s.launch();
    await s.ready();
    assert.equal(s.firstPassword, undefined); // the store has a user: no admin is made
    const token = await s.login('ann', 'a long password');
    const c = await s.client(token);
    const run = await c.runProgram('home/a.py', 'print(6 * 7)');
    assert.equal(run.exit.code, 0);
    assert.match(run.text, /42/);
    await locks(s, c);
  });

test('two make the same user at once without a server: one is told that it is there', async (t) => {
  const s = new Server();
  s.status = { code: null };
  t.after(() => s.destroy());
  const all = await Promise.all([1, 2, 3, 4].map(() => ctl(s, add('ann'), 'a long password')));
  assert.deepEqual(all.map((r) => r.code).sort(), [0, 1, 1, 1], all.map((r) => r.stderr).join(''));
  for (const r of all.filter((one) => one.code === 1))
    assert.match(r.stderr, /already/);
});

test('the list has pages', async (t) => {
  const s = new Server();
  s.status = { code: null };
  t.after(() => s.destroy());
  assert.equal((await ctl(s, add('ann'), 'a long password')).code, 0);
  execFileSync('python3', ['-c', `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for i in range(450):
    db.execute("INSERT INTO uids (uid) VALUES (?)", (500000 + i,))
    db.execute("INSERT INTO users (name, password, role, uid, disabled) VALUES (?, '', 'student', ?, ?)",
               ("u%03d" % i, 500000 + i, i == 7))
db.commit()`, path.join(s.data, 'latch.db')]);
  const direct = await ctl(s, ['user', 'list']);
  s.status = undefined;
  s.launch();
  await s.ready();
  const asked = await s.ctl(['user', 'list']);
  assert.equal(asked.code, 0, asked.stderr);
  assert.equal(asked.stdout, direct.stdout);
  const lines = asked.stdout.trim().split('\n');
  assert.equal(lines.length, 451);
  assert.equal(lines[8], 'u007\tstudent\t500007\tdisabled');
});

test('what it is asked wrongly, it names', async () => {
  const dir = tempDir();
  const data = path.join(dir, 'data');
  const cases = [
    [[], 1, /usage/],
    [['user'], 1, /no such command/],
    [['user', 'add'], 1, /NAME is missing\nusage: latchctl .* user add NAME --role/],
    [['user', 'remove', 'ann'], 1, /no such command/],
    [['user', 'list', 'all'], 1, /all: one word too many\nusage: latchctl .* user list$/m],
    [['--quiet', 'user', 'list'], 1, /--quiet: no such option/],
    [['user', 'add', 'ann', '--role', 'root', '--password-stdin'], 1, /--role root: allowed is student/],
    [['user', 'add', 'ann', '--password-stdin'], 1, /--role is missing/],
    [['user', 'add', 'ann', '--role', 'student'], 1, /--password-stdin is missing/],
    [['user', 'add', 'ann', '--role', 'student', '--role=admin', '--password-stdin'], 1, /--role: given twice/],
    [['user', 'list', '--end-sessions'], 1, /--end-sessions: not for this command/],
    [['stop', '--role', 'student'], 1, /--role: not for this command/],
    [['stop', '--end-sessions=yes'], 1, /takes no value/],
    [['user', 'list', '--data'], 1, /--data: its value is missing/],
    [['user', 'list', '--config', '/nowhere.conf'], 78, /\/nowhere\.conf/],
  ];
  for (const [args, code, words] of cases) {
    const r = await runToEnd(program('latchctl'), args.includes('--data') ? args : ['--data', data, ...args],
      { input: 'a long password\n' });
    assert.equal(r.code, code, `${args.join(' ')}: ${r.stderr}`);
    assert.match(r.stderr, words);
  }
  for (const [password, words] of [['short\n', /8 to 1024/], ['', /8 to 1024/], ['x'.repeat(1025), /1024/],
    ['x'.repeat(5000), /1024/], ['two lines\nof it\n', /one line/], ['nul\0inside it', /one line/]]) {
    const s = new Server();
    s.status = { code: null };
    const r = await ctl(s, add('ann'), password);
    assert.equal(r.code, 1, JSON.stringify(password));
    assert.match(r.stderr, words);
    assert.equal((await ctl(s, ['user', 'list'])).stdout, '');
    await s.destroy();
  }
  fs.rmSync(dir, { recursive: true });
});

test('a stranger may not ask the server', { skip: !isRoot && 'only root can be a stranger to itself' }, async (t) => {
  const s = await startServer(t);
  const r = await runToEnd(program('latchctl'), ['--data', s.data, 'user', 'list'],
    { cwd: '/', uid: 54322, gid: 54322 });
  assert.equal(r.code, 1);
  assert.match(r.stderr, /Permission denied/);
});

test('the password is in no argument and no log line', async (t) => {
  const s = await startServer(t);
  const secret = 'a very secret password';
  assert.equal((await s.ctl(add('ann'), `${secret}\n`)).code, 0);
  await s.login('ann', secret);
  assert.ok(!s.stderr.includes(secret) && !s.stdout.includes(secret));
  for (const name of fs.readdirSync(s.data))
    if (fs.statSync(path.join(s.data, name)).isFile())
      assert.ok(!fs.readFileSync(path.join(s.data, name)).includes(secret), name);
});
