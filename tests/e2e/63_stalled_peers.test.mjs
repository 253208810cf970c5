// runs alone: it compares latencies.
// 200 peers of ten kinds that stall or dawdle, beside 20 that do not: those feel nothing, and each of the
// others is gone by its deadline. With COUNT=full the two longest deadlines (28 and 30 s) are waited for, too.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import WebSocket from 'ws';

import { BINARY, Wire, frame, openSocket } from './conformance/wire.mjs';
import { variant } from './counts.mjs';
import { processStatus, slow, startServer, until } from './lib.mjs';

const EACH = 20, HEALTHY = 20, ROUNDS = 40;
const SLACK_MS = 4000 * slow; // beyond a deadline: looks are up to a second apart
const NOISE_MS = slow > 1 ? 10 * slow : 2; // each echo of the deaf ones is copied and checked by a sanitizer, too
const RSS_MIB = 12; // what may be kept of all this
const full = process.env.COUNT === 'full';
const BIG = 64 << 20, MANY = 12;
const MIB = frame(BINARY, Buffer.alloc(1 << 20));

const connected = async (server, bytes) => {
  const w = await Wire.connect(server);
  await w.send(Buffer.from(bytes));
  return w;
};
const echo = async (server, bytes = Buffer.alloc(0)) => {
  const w = await openSocket(server);
  await w.send(bytes);
  return w;
};
// A byte now and then, until it is told to go.
const dawdle = (w, byte, ms) => {
  const timer = setInterval(() => (w.ended ? clearInterval(timer) : w.socket.write(byte)), ms);
  w.socket.on('close', () => clearInterval(timer));
  return w;
};
// Reads nothing of what is due to it, until `resume`.
const deaf = (w) => {
  w.socket.pause();
  w.counted = 0;
  return w;
};

// kind, its deadline in seconds, how one is made, what it is told before the end; or how much it would get if
// there were no end
const kinds = (server, { token }) => [
  ['reads no replies', 5, async () => {
    const w = deaf(await openSocket(server));
    for (let i = 0; i < MANY; i++)
      w.socket.write(MIB);
    return w;
  }, MANY << 20],
  ['pings are not answered', 28, () => echo(server), /no answer to pings/],
  ['a download is not taken', 30, async () => deaf(await connected(server,
    `GET /api/files/home/big HTTP/1.1\r\nHost: ${server.host}\r\nAuthorization: Bearer ${token}\r\n\r\n`)), BIG],
  ['connects and says nothing', 10, () => connected(server, ''), /^$/],
  ['half a request line', 10, () => connected(server, 'GET /heal'), / 408 /],
  ['headers byte by byte', 10, async () => dawdle(await connected(server, `GET / HTTP/1.1\r\nHost: ${server.host}\r\nX: `), 'y', 400), / 408 /],
  ['a body byte by byte', 10, async () => dawdle(await connected(server,
    `PUT /api/files/home/slow HTTP/1.1\r\nHost: ${server.host}\r\nAuthorization: Bearer ${token}\r\nContent-Length: 100000\r\n\r\n`), 'y', 400), / 408 /],
  ['half a frame header', 10, () => echo(server, Buffer.from([0x82])), /a frame was not finished/],
  ['a stall inside a frame', 10, () => echo(server, frame(BINARY, 'half', { declared: 100n })), /a frame was not finished/],
  ['a close is not answered', 1, () => echo(server, frame(3)), /an opcode is reserved/],
];

// One that is well: it sends a message and waits for the same.
class Peer {
  constructor(server) {
    this.ws = new WebSocket(`ws://${server.host}:${server.port}/v1/echo`);
    this.opened = once(this.ws, 'open').then(() => this);
  }

  async round(text) {
    const back = once(this.ws, 'message');
    this.ws.send(text);
    assert.equal((await back)[0].toString(), text);
  }
}

const p99 = (ms) => ms.sort((a, b) => a - b)[Math.floor(ms.length * 0.99)];

// Every healthy peer asks and waits, ROUNDS times: the p99 of all echoes, and of all requests.
async function latencies(peers, clients) {
  const timed = async (work) => {
    const all = [];
    for (let i = 0; i < ROUNDS; i++) {
      const began = performance.now();
      await work(i);
      all.push(performance.now() - began);
    }
    return all;
  };
  const echoes = peers.map((p) => timed((i) => p.round(`round ${i}`)));
  const asked = clients.map((c) => timed(() => c.request('fs.stat', { path: 'home' })));
  return { echo: p99((await Promise.all(echoes)).flat()), request: p99((await Promise.all(asked)).flat()) };
}

// The best of several looks: what else the machine does must not count, and what stalls must show in each.
async function quietest(peers, clients, ms, enough = () => false) {
  const began = Date.now();
  let best = { echo: Infinity, request: Infinity };
  while (best.echo === Infinity || (Date.now() - began < ms && !enough(best))) {
    const now = await latencies(peers, clients);
    best = { echo: Math.min(best.echo, now.echo), request: Math.min(best.request, now.request) };
  }
  return best;
}

const rss = (server) => parseInt(processStatus(server.pid).VmRSS, 10) / 1024;
const sockets = async (server) => (await (await server.fetch('/healthz')).json()).sockets;

test('200 stalled peers cost 20 healthy ones nothing', async (t) => {
  const server = await startServer(t, { config: {
    server: { http_threads: 96, max_sockets: 512 }, diagnostics: { echo: 'yes' }, limits: { requests_per_minute: 1000000, file_bytes: 1 << 20 } } });
  const ann = await server.user('ann'), bob = await server.user('bob');
  const file = path.join(server.data, 'users/bob/home/big');
  fs.writeFileSync(file, '');
  fs.truncateSync(file, BIG);
  fs.chmodSync(file, 0o644);
  const peers = await Promise.all(Array.from({ length: HEALTHY / 2 }, () => new Peer(server).opened));
  const clients = await Promise.all(Array.from({ length: HEALTHY / 2 }, () => server.client(ann)));
  const stalled = [];
  t.after(() => {
    peers.forEach((p) => p.ws.terminate());
    stalled.forEach((k) => k.all.forEach((w) => w.destroy()));
  });
  // Warm: as many threads as will be needed have served somebody before memory is looked at.
  const some = frame(BINARY, Buffer.alloc(65536));
  const passing = await Promise.all(Array.from({ length: 10 * EACH }, () => echo(server, some)));
  await Promise.all(passing.map((w) => w.frame()));
  passing.forEach((w) => w.destroy());
  await latencies(peers, clients);
  const before = await quietest(peers, clients, 1500);
  const memory = rss(server);

  for (const [name, seconds, make, told] of kinds(server, bob)) // the quickest to go come last
    stalled.push({ name, seconds, told, began: Date.now(), all: await Promise.all(Array.from({ length: EACH }, make)) });
  const allowed = (ms) => 2 * ms + NOISE_MS;
  const during = await quietest(peers, clients, 6000, (now) => now.echo <= allowed(before.echo) && now.request <= allowed(before.request));
  t.diagnostic(`p99 in ms, before: ${JSON.stringify(before)}, during: ${JSON.stringify(during)}`);
  assert.ok(during.echo <= allowed(before.echo), `echo ${during.echo} ms, before ${before.echo} ms`);
  assert.ok(during.request <= allowed(before.request), `request ${during.request} ms, before ${before.request} ms`);

  for (const { name, seconds, told, began, all } of stalled.reverse()) {
    if (!full && seconds > 10) {
      t.diagnostic(`not waited for here: ${name} (${seconds} s)`);
      all.forEach((w) => w.destroy());
      continue;
    }
    const left = () => Math.max(0, began + seconds * 1000 + SLACK_MS - Date.now()) / slow;
    if (typeof told === 'number') { // it reads only now: the end came before all that was due
      await until(() => Date.now() - began > seconds * 1000 + SLACK_MS, { timeout: left() + 2000, what: 'the deadline' });
      all.forEach((w) => w.socket.resume());
    }
    await until(() => all.every((w) => w.ended), { timeout: left() + 10000, what: `the end of all of: ${name}` });
    for (const w of all)
      if (typeof told === 'number')
        assert.ok(w.counted < told, `${name}: ${w.counted} bytes`);
      else
        assert.match(w.bytes.toString('latin1'), told, name);
    t.diagnostic(`gone within ${Date.now() - began} ms: ${name}`);
  }
  await until(async () => await sockets(server) === HEALTHY, { timeout: 5000, what: 'none but the healthy to be left' });
  await latencies(peers, clients);
  const kept = rss(server) - memory;
  t.diagnostic(`memory: ${memory.toFixed(1)} MiB before, ${kept.toFixed(1)} more after`);
  if (variant === 'rel') // sanitizers keep what was freed
    assert.ok(kept < RSS_MIB, `${kept} MiB`);
});
