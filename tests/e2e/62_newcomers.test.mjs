// runs alone: it measures how soon a newcomer is served.
// Who connects and says nothing, by the thousand, and a server without descriptors: newcomers come in.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { test } from 'node:test';

import { Wire } from './conformance/wire.mjs';
import { slow, startServer, until } from './lib.mjs';

const SILENT = 2000;
const SOCKETS = 64, LOBBY = 128 + SOCKETS; // docs/protocol.md

async function newcomer(server) {
  const began = Date.now();
  const r = await server.fetch('/healthz');
  assert.equal(r.status, 200);
  await r.text();
  return Date.now() - began;
}

test('2,000 silent connections do not keep a newcomer out', async (t) => {
  const server = await startServer(t, { config: { server: { max_sockets: SOCKETS, http_threads: 16 } } });
  await newcomer(server); // and all that is loaded only now
  const silent = [];
  t.after(() => silent.forEach((w) => w.destroy()));
  let worst = 0;
  const connecting = (async () => {
    for (let i = 0; i < SILENT; i += 50)
      silent.push(...await Promise.all(Array.from({ length: 50 }, () => Wire.connect(server))));
  })();
  let done = false;
  connecting.finally(() => (done = true));
  while (!done)
    worst = Math.max(worst, await newcomer(server));
  await connecting;
  for (let i = 0; i < 20; i++)
    worst = Math.max(worst, await newcomer(server));
  t.diagnostic(`the slowest newcomer took ${worst} ms`);
  assert.ok(worst < 1000 * slow, `${worst} ms`);
  await until(() => silent.filter((w) => !w.ended).length <= LOBBY, { what: 'all but the newest to be let go' });
  assert.ok(silent.every((w) => w.bytes.length === 0), 'without a word');
});

const limitFiles = ({ pid, uid }, n) => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${n}:`], { uid, gid: uid });

// Seconds of processor time that it has used.
function cpu(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

test('a server that has run out of descriptors waits, says so, and goes on', async (t) => {
  const server = await startServer(t, { as: 'ordinary' });
  const before = Number(/open files +(\d+)/.exec(fs.readFileSync(`/proc/${server.pid}/limits`, 'utf8'))[1]);
  const open = new Set(fs.readdirSync(`/proc/${server.pid}/fd`).map(Number));
  limitFiles(server, [...Array(1000).keys()].find((n) => !open.has(n))); // not one more
  const waiting = await Promise.all(Array.from({ length: 5 }, () => Wire.connect(server)));
  t.after(() => waiting.forEach((w) => w.destroy()));
  for (const w of waiting)
    await w.send(Buffer.from(`GET /healthz HTTP/1.1\r\nHost: ${server.host}\r\n\r\n`));
  await until(() => /descriptors\.none/.test(server.stderr), { what: 'the word in the log' });
  const used = cpu(server.pid), began = Date.now();
  await until(() => Date.now() - began > 2000, { what: 'two seconds of processor time, measured', timeout: 5000 });
  const share = (cpu(server.pid) - used) / ((Date.now() - began) / 1000);
  t.diagnostic(`it used ${(share * 100).toFixed(1)} % of a processor meanwhile`);
  assert.ok(share < 0.5, `${share}`);
  assert.ok(!server.status, 'it lives');
  limitFiles(server, before);
  for (const w of waiting)
    assert.equal((await w.answer()).status, 200, 'who has waited is served');
  assert.match(server.stderr, /descriptors\.again/);
  assert.ok(await newcomer(server) < 1000 * slow);
  assert.equal((await server.stop()).code, 0);
});
