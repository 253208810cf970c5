// ACCEPTANCE 3: what fails beneath the server is never told as done. A disk that is full, one that fails, no more
// processes: whatever said ok has happened, whatever has not said so, each request has one reply, and the log
// names each fault.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { Faults, asker, closeAll, faults, moreTokens, requests, startOnSmallDisk } from './faults.mjs';
import { freely } from './counts.mjs';
import { isRoot, until } from './lib.mjs';

const full = process.env.COUNT === 'full';
const config = { ...freely, auth: { failures_per_minute: 1000 } };

// One request: its answer, which holds if it is an ok.
async function ask(w, name) {
  const r = await requests[name](w);
  assert.ok(!r.ok || r.holds, `${name} said ok, and it has not happened`);
  assert.ok(r.ok || r.text, `${name}: words for ${r.why}`);
  w.asked = (w.asked ?? 0) + 1;
  return r;
}

const lines = (s, word) => s.stderr.split('\n').filter((l) => l.includes(`error=${word}`)).length;

async function logged(s, word, before, name) {
  await until(() => lines(s, word) > before, { what: `${name} in the log: error=${word}\n${s.stderr.slice(-3000)}` });
}

// All work again, none is lost.
async function allWork(w) {
  await moreTokens(w, 1);
  for (const name of Object.keys(requests)) {
    const r = await ask(w, name);
    assert.ok(r.ok, `${name} when nothing fails any more: ${r.why} ${r.text}`);
  }
  await closeAll(w);
}

test('03 a full disk', { skip: !isRoot && 'mounting a small disk needs root' }, async (t) => {
  const disk = await startOnSmallDisk(t, 8 << 20, { config });
  const w = await asker(disk.server);
  const kept = new Map(); // what was acknowledged
  for (let round = 0; round < (full ? 10 : 2); round++) {
    await moreTokens(w, 2);
    const before = lines(disk.server, 'ENOSPC');
    disk.fill(round % 2 ? 24 << 10 : 0);
    const big = 'y'.repeat(300 << 10);
    const writes = Array.from({ length: 8 }, (_, i) => (async () => {
      const file = `home/kept-${round}-${i}`, data = `${i}${big.slice(0, i % 2 ? 100 : undefined)}`;
      const r = await w.client.request('fs.write', { path: file, data }).catch((e) => e);
      if (!(r instanceof Error))
        return kept.set(file, data);
      assert.equal(r.word, 'unavailable', String(r));
      assert.match(r.text, /disk is full/);
      return undefined;
    })());
    await Promise.all([...writes, ...Object.keys(requests).map((name) => ask(w, name))]);
    const refused = await Promise.all([ask(w, 'fs.write'), ask(w, 'put'), ask(w, 'login'), ask(w, 'run')]);
    if (round % 2 === 0)
      assert.ok(refused.some((r) => !r.ok), 'the disk was full, and nothing was refused');
    await logged(disk.server, 'ENOSPC', before, 'the full disk');
    disk.empty();
    await closeAll(w);
    await allWork(w);
  }
  await disk.server.restart({});
  const home = path.join(disk.server.data, 'users/ann');
  for (const [file, data] of kept)
    assert.equal(fs.readFileSync(path.join(home, file), 'utf8'), data, `${file} was acknowledged`);
});

// All of them fail, whatever is asked.
async function failAll(f, w, fault) {
  const before = lines(f.server, fault.word);
  let refused = 0;
  f.arm(fault);
  for (const name of Object.keys(requests)) {
    const r = await ask(w, name);
    refused += !r.ok;
    assert.ok(!r.ok || !fault.never.includes(name), `${name} said ok while ${fault.name}`);
  }
  assert.ok(f.hits(fault) > 0, 'the fault struck nothing');
  assert.ok(refused > 0);
  await logged(f.server, fault.word, before, fault.name);
}

// The first alone, the second, the third...: each way out of the middle.
async function failOne(f, w, fault, name) {
  for (let skip = 0; skip < (full ? 20 : 3); skip++) {
    if (name === 'renew')
      await moreTokens(w, 1);
    f.arm(fault, { skip, times: 1 });
    const r = await ask(w, name);
    const struck = f.hits(fault) > 0;
    f.stop();
    await closeAll(w);
    if (!struck && r.ok)
      return;
  }
}

test('03 each call that may fail', async (t) => {
  const f = await Faults.start(t, { config });
  const w = await asker(f.server);
  await moreTokens(w, faults.length);
  for (const fault of faults)
    await t.test(`03 ${fault.name}`, async () => {
      await failAll(f, w, fault);
      f.stop();
      await closeAll(w);
      for (const name of fault.never.filter((n) => full || !['login', 'renew'].includes(n)).slice(0, full ? 9 : 2))
        await failOne(f, w, fault, name);
      for (const name of fault.never.filter((n) => n !== 'renew'))
        assert.ok((await ask(w, name)).ok, `${name} when nothing fails any more`);
      await closeAll(w);
    });
  await allWork(w);
  assert.deepEqual(w.client.violations, []);
  assert.equal(w.client.waiting.size, 0);
});
