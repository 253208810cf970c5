// ACCEPTANCE 6: rate limits that do not grow. A user asks without end over several sockets, and invented names
// at invented addresses sign in without end: the memory of the server is as it was.
// also under tsan
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';

import { WebSocket } from 'ws';

import { count, inParallel } from './counts.mjs';
import { Server } from './lib.mjs';
import { memory } from './memory.mjs';

const full = process.env.COUNT === 'full';
const REQUESTS = full ? 1e7 : count(20000, { asan: 8000, tsan: 4000 });
const NAMES = full ? 1e6 : count(20000, { asan: 3000, tsan: 2000 });
const SOCKETS = 4;
const FLAT = 3 << 20; // bytes: less than 200 for each name, or 3 in full

// On a socket of its own, as many at a time as it may have under way; the least that a client can do.
function askWithoutEnd(server, token, n, tally) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(server.wsUrl, ['latch.v1'], { headers: { authorization: `Bearer ${token}` } });
    let sent = 0, answered = 0;
    const ask = () => ws.send(`{"jsonrpc":"2.0","id":${++sent},"method":"fs.stat","params":{"path":"home"}}`);
    ws.on('message', (data) => {
      const text = data.toString('latin1');
      if (text.includes('"hello"')) {
        for (let i = 0; i < Math.min(100, n); i++)
          ask();
        return;
      }
      const word = /"code":"(\w+)"/.exec(text)?.[1] ?? 'ok';
      tally[word] = (tally[word] ?? 0) + 1;
      if (sent < n)
        ask();
      if (++answered === n)
        ws.close();
    });
    ws.on('error', reject);
    ws.on('close', (code) => (answered === n ? resolve() : reject(new Error(`closed with ${code} after ${answered}`))));
  });
}

// A password that is longer than any costs no hash, and counts as a failure of the name and of the address.
function signInInVain(server, i) {
  const body = JSON.stringify({ username: `invented-${i}`, password: 'x'.repeat(1100) });
  return new Promise((resolve, reject) => {
    const c = net.connect(server.port, server.host, () => c.write(`POST /api/login HTTP/1.1\r\nHost: ${server.host}\r\n` +
      `X-Forwarded-For: 10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
    let answer = '';
    c.setEncoding('latin1');
    c.on('data', (d) => (answer += d));
    c.on('close', () => resolve(answer.slice(9, 12)));
    c.on('error', reject);
  });
}

async function signInManyInVain(server, from, to, tally) {
  await inParallel(Array.from({ length: to - from }, (_, i) => from + i), 8, async (i) => {
    const status = await signInInVain(server, i);
    tally[status] = (tally[status] ?? 0) + 1;
  });
}

test(`6: ${REQUESTS} requests and ${NAMES} invented names leave the memory flat`, async (t) => {
  const server = await Server.start({
    config: { server: { trusted_proxies: '127.0.0.1', log_level: 'error', max_sockets: 8, http_threads: 40 }, limits: { requests_per_minute: 2000 } },
    // What was freed must be there again: the sanitizer keeps it back otherwise.
    env: { ASAN_OPTIONS: 'detect_leaks=1:quarantine_size_mb=0:thread_local_quarantine_size_kb=0' },
  });
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  const askAll = (n) => Promise.all(Array.from({ length: SOCKETS }, () => askWithoutEnd(server, ann.token, n / SOCKETS, asked)));
  const asked = {}, signed = {};

  // This fills what is filled once: tables, caches, arenas of threads, of which not each has a turn at first.
  const once = NAMES * 2 / 5;
  await askAll(REQUESTS / 10);
  await signInManyInVain(server, 0, once, signed);
  const before = memory(server);
  await askAll(REQUESTS);
  await signInManyInVain(server, once, once + NAMES, signed);
  const grown = memory(server) - before;
  t.diagnostic(`${before >> 10} KiB, and ${grown >> 10} more; ${JSON.stringify(asked)} ${JSON.stringify(signed)}`);

  assert.ok(grown < FLAT, `${grown} bytes more`);
  assert.equal(asked.ok + asked.rate_limited, REQUESTS + REQUESTS / 10, JSON.stringify(asked));
  assert.ok(asked.rate_limited > 0, 'the limit was met');
  assert.equal(signed[401], once + NAMES, JSON.stringify(signed)); // each name and address for the first time
  assert.equal(await server.login('ann', 'secret of ann').then((x) => x.length > 0), true, 'ann is not held back by them');
});
