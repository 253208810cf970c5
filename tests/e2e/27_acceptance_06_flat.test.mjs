// ACCEPTANCE 6: rate limits that do not grow. A user asks without end over several sockets, and invented names
// at invented addresses sign in without end: the memory of the server is as it was.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';

import { count, inParallel } from './counts.mjs';
import { Server } from './lib.mjs';

const full = process.env.COUNT === 'full';
const REQUESTS = full ? count(1e7) : 20000;
const NAMES = full ? count(1e6) : count(20000, { asan: 5000, tsan: 3000 });
const SOCKETS = 4;
const FLAT = 3 << 20; // bytes: less than 200 for each name, or 3 in full

// What is resident and not a file's.
function memory(server) {
  const status = fs.readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)[1]) * 1024;
}

async function askWithoutEnd(client, n, tally) {
  const window = 100; // a socket may have 128 under way
  let left = n;
  const one = async () => {
    while (left-- > 0) {
      const word = await client.request('fs.stat', { path: 'home' }, { timeout: 60000 }).then(() => 'ok', (e) => e.word);
      tally[word] = (tally[word] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: window }, one));
}

// A password that is longer than any costs no hash, and counts as a failure of the name and of the address.
function signInInVain(server, i) {
  const body = JSON.stringify({ username: `invented-${i}`, password: 'x'.repeat(1100) });
  return new Promise((resolve, reject) => {
    const r = http.request(`${server.url}/api/login`, { method: 'POST', agent: false, headers: {
      'content-length': body.length,
      'x-forwarded-for': `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
    } }, (res) => {
      res.resume();
      res.on('end', () => resolve(res.statusCode));
    });
    r.on('error', reject);
    r.end(body);
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
    config: { server: { trusted_proxies: '127.0.0.1', log_level: 'error' }, limits: { requests_per_minute: 2000 } },
    env: { ASAN_OPTIONS: 'detect_leaks=1:quarantine_size_mb=4' },
  });
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  const clients = await Promise.all(Array.from({ length: SOCKETS }, () => server.client(ann)));
  const asked = {}, signed = {};

  // A tenth of it fills what is filled once: tables, caches, arenas of threads.
  await Promise.all(clients.map((c) => askWithoutEnd(c, REQUESTS / 10 / SOCKETS, asked)));
  await signInManyInVain(server, 0, NAMES / 5, signed);
  const before = memory(server);
  await Promise.all(clients.map((c) => askWithoutEnd(c, REQUESTS / SOCKETS, asked)));
  await signInManyInVain(server, NAMES / 5, NAMES, signed);
  const grown = memory(server) - before;
  t.diagnostic(`${before >> 10} KiB, and ${grown >> 10} more; ${JSON.stringify(asked)} ${JSON.stringify(signed)}`);

  assert.ok(grown < FLAT, `${grown} bytes more`);
  assert.equal(asked.ok + asked.rate_limited, REQUESTS * 1.1, JSON.stringify(asked));
  assert.ok(asked.rate_limited > 0, 'the limit was met');
  assert.equal(signed[401], NAMES, JSON.stringify(signed)); // each name and address for the first time
  assert.equal(await server.login('ann', 'secret of ann').then((x) => x.length > 0), true, 'ann is not held back by them');
});
