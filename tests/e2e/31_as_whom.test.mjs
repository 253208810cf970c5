// Who runs as whom: as root, latchd is `latch` with three capabilities and every user has a uid; as an ordinary
// user there is one uid, the cage alone keeps users apart, and health says so.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { isRoot, ORDINARY_UID, processStatus, Server } from './lib.mjs';

const CHOWN = 1n << 0n, DAC_OVERRIDE = 1n << 1n, FOWNER = 1n << 3n;

function byName(server, name) {
  return server.survivors().filter((pid) => processStatus(pid)?.Name === name);
}

async function aRun(server, name) {
  const c = await server.client(await server.user(name));
  await c.write('home/wait.py', 'open("made.txt", "w").write("x")\ninput("go? ")\n');
  const ch = await c.openSession({ kind: 'run', path: 'home/wait.py', cols: 80, rows: 24 });
  await ch.waitText('go? ');
  return { c, ch };
}

test('as root: latchd is another, keeps three capabilities, and each user has a uid', { skip: isRoot ? false : 'needs root' }, async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const status = processStatus(server.pid);
  assert.ok(!status.Uid.split('\t').includes('0'), `latchd runs as ${status.Uid}`);
  for (const set of ['CapEff', 'CapPrm']) assert.equal(BigInt('0x' + status[set]), CHOWN | FOWNER | DAC_OVERRIDE, set);
  for (const set of ['CapInh', 'CapAmb']) assert.equal(BigInt('0x' + status[set]), 0n, set);

  const one = await aRun(server, 'ann'), two = await aRun(server, 'bob');
  const holders = byName(server, 'latch-hold');
  assert.equal(holders.length, 2);
  const uids = holders.map((pid) => processStatus(pid).Uid.split('\t'));
  for (const u of uids) {
    assert.equal(new Set(u).size, 1, 'real, effective, saved and fs uid are one');
    assert.ok(Number(u[0]) >= 1000);
  }
  assert.notEqual(uids[0][0], uids[1][0]);
  for (const [i, pid] of holders.entries()) {
    assert.equal(BigInt('0x' + processStatus(pid).CapEff), 0n);
    assert.equal(fs.statSync(`/proc/${pid}/stat`).uid, 0, `holder ${i} is not dumpable`);
  }
  for (const name of ['ann', 'bob']) {
    const home = path.join(server.data, 'users', name, 'home');
    const uid = fs.statSync(home).uid;
    assert.ok(uids.some((u) => Number(u[0]) === uid));
    assert.equal(fs.statSync(path.join(home, 'wait.py')).uid, uid, 'what latchd writes is given to the user');
    assert.equal(fs.statSync(path.join(home, 'made.txt')).uid, uid, 'what the program writes is the user\'s');
    assert.equal(fs.statSync(path.join(server.data, 'users', name)).mode & 0o077, 0);
  }
  const health = await (await server.fetch('/healthz')).json();
  assert.match(JSON.stringify(health), /uid/);
  one.ch.input('\n'); two.ch.input('\n');
  await Promise.all([one.ch.waitExit(), two.ch.waitExit()]);
});

test('as an ordinary user: one uid, and health says so', async (t) => {
  const server = await Server.start({ as: 'ordinary' });
  t.after(() => server.destroy());
  const uid = isRoot ? ORDINARY_UID : process.getuid();
  assert.equal(processStatus(server.pid).Uid.split('\t')[0], String(uid));
  const { ch } = await aRun(server, 'ann');
  for (const pid of byName(server, 'latch-hold')) assert.equal(processStatus(pid).Uid.split('\t')[0], String(uid));
  const health = await (await server.fetch('/healthz')).json();
  assert.match(JSON.stringify(health), /namespace/);
  ch.input('\n');
  assert.equal((await ch.waitExit()).code, 0);
});

test('a DIR that users\' uids cannot reach stops the start, naming it', { skip: isRoot ? false : 'needs root' }, async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  await server.stop();
  fs.chmodSync(server.dir, 0o700);
  await assert.rejects(server.restart(), (e) => {
    assert.equal(server.status.code, 78, e.message);
    assert.ok(e.message.includes(server.dir), e.message);
    return true;
  });
});
