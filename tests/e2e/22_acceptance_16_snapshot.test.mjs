// ACCEPTANCE 16: a file that changes while it is executed. A save is a new file and a rename; a run executes
// a snapshot. Versions A and B alternate during many runs: each is wholly A or B. SIGKILL in a save: old or new.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Server } from './lib.mjs';
import { count, freely } from './counts.mjs';

const LINES = 400;
const version = (letter) => `import sys\nw = ['${letter}']\n` + `w.append('${letter}')\n`.repeat(LINES) + `print(''.join(sorted(set(w))), len(w))\nprint('whole')\n`;

test('16: versions A and B alternate during the runs, each run is wholly A or B', async (t) => {
  const runs = count(500, { asan: 20, tsan: 15 });
  const server = await Server.start({ config: freely });
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  const runner = await server.client(ann);
  const writer = await server.client(ann);
  await writer.write('home/flip.py', version('A'));
  let going = true, writes = 0;
  const flipping = (async () => {
    for (; going; writes++) await writer.write('home/flip.py', version(writes % 2 === 0 ? 'B' : 'A'));
  })();
  const seen = { A: 0, B: 0 };
  for (let i = 0; i < runs; i++) {
    const ch = await runner.runProgram('home/flip.py', undefined, { timeout: 60_000 });
    const m = /^([AB]) (\d+)\r\nwhole\r\n$/.exec(ch.text);
    assert.ok(m, `torn: ${JSON.stringify(ch.text)}`);
    assert.equal(Number(m[2]), LINES + 1);
    seen[m[1]]++;
    await runner.request('session.close', { session: ch.session });
  }
  going = false;
  await flipping;
  t.diagnostic(`${runs} runs, ${writes} saves: ${JSON.stringify(seen)}`);
  assert.ok(seen.A > 0 && seen.B > 0, 'both versions were met');
});

test('16: a program that is running does not see a save', async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const c = await server.client(await server.user('ann'));
  await c.write('home/slow.py', `input('go? ')\ndef f():\n    raise ValueError('old text')\nf()\n`);
  const ch = await c.openSession({ kind: 'run', path: 'home/slow.py', cols: 80, rows: 24 });
  await ch.waitText('go? ');
  await c.write('home/slow.py', '# new\n# new\n# new\n# new\n');
  ch.input('\n');
  const exit = await ch.waitExit();
  assert.equal(exit.code, 1);
  assert.match(ch.text, /File "[^"]*slow\.py", line 3, in f/);
  assert.match(ch.text, /raise ValueError\('old text'\)/, 'the traceback shows what ran, not what was saved meanwhile');
});

test('16: SIGKILL of the server in a save leaves the old or the new, never a part', async (t) => {
  const kills = count(20, { asan: 4, tsan: 2 });
  const server = await Server.start();
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  const size = 300_000;
  const content = (n) => `${n}:`.padEnd(size, String.fromCharCode(97 + (n % 26)));
  let next = 0, outcomes = { old: 0, new: 0 };
  for (let k = 0; k < kills; k++) {
    const c = await server.client(ann);
    await c.write('home/save.txt', content(next));
    const old = next;
    c.request('fs.write', { path: 'home/save.txt', data: content(old + 1), encoding: 'utf8' }).catch(() => {});
    await new Promise((r) => setTimeout(r, k % 10));
    await server.stop('SIGKILL');
    const file = path.join(server.data, 'users/ann/home/save.txt');
    const now = fs.readFileSync(file, 'utf8');
    assert.ok(now === content(old) || now === content(old + 1), `a part: ${now.length} bytes, ${now.slice(0, 20)}`);
    outcomes[now === content(old) ? 'old' : 'new']++;
    await server.restart();
    const again = await server.client(ann);
    const list = (await again.request('fs.list', { path: 'home' })).map((e) => e.name);
    assert.deepEqual(list, ['save.txt'], 'nothing half-made is shown');
    next = old + 2;
    await again.close();
  }
  t.diagnostic(JSON.stringify(outcomes));
});
