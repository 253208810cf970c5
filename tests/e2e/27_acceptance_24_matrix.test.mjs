// ACCEPTANCE 24: refused unless the table allows. Every route and every method of the socket, as the server's own
// tables name them (latch-routes), for nobody, a student, another student, an ended token, a revoked one, a teacher
// and an admin; and those tables against the ones in docs/protocol.md.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';

import { WebSocket } from 'ws';

import { inParallel } from './counts.mjs';
import { Server, program, repo, runToEnd, until } from './lib.mjs';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'];
const NOBODIES = ['nobody', 'ended', 'revoked'];
const PEOPLE = ['student', 'other', 'teacher', 'admin'];
const ROLES = { student: 0, other: 0, teacher: 1, admin: 2 };
const NEEDS = { anyone: -1, diagnostics: -1, 'signed in': 0, teacher: 1, admin: 2, 'admin or loopback': 2 };

async function tables() {
  const r = await runToEnd(program('latch-routes'), []);
  assert.equal(r.code, 0, r.stderr);
  return JSON.parse(r.stdout);
}

// ---- the page ----

const ticked = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map((m) => m[1]);

// The cells of the rows behind this heading row, until the table ends.
function tableOf(text, heading) {
  const lines = text.split('\n');
  const at = lines.findIndex((l) => l.startsWith(heading));
  assert.ok(at >= 0, `docs/protocol.md has no table ${heading}`);
  const end = lines.findIndex((l, i) => i > at && !l.startsWith('|'));
  return lines.slice(at + 2, end).map((l) => l.slice(1, -1).split('|').map((c) => c.trim()))
    .filter((cells) => !cells.at(-1).startsWith('**later**'));
}

// `GET`, `HEAD` `/api/files/PATH` and `GET /healthz`, `GET /readyz`: [[method, path]]; GET brings HEAD where it is
// no socket.
function pairsOf(cell, sockets) {
  const pairs = [];
  let methods = [];
  for (const token of ticked(cell)) {
    const [, method, where] = /^([A-Z]+)?\s*(\/\S*)?$/.exec(token) ?? [];
    if (method)
      methods.push(method);
    if (where) {
      const to = where.replace(/\/[A-Z]+$/, '/');
      for (const m of methods) {
        pairs.push(`${m} ${to}`);
        if (m === 'GET' && !sockets.has(to))
          pairs.push(`HEAD ${to}`);
      }
      methods = [];
    }
  }
  return [...new Set(pairs)];
}

test('24: the tables in docs/protocol.md are the server\'s', async () => {
  const { routes, methods } = await tables();
  const page = fs.readFileSync(path.join(repo, 'docs/protocol.md'), 'utf8');
  const sockets = new Set(routes.filter((r) => r.socket).map((r) => r.path));

  const ours = routes.flatMap((r) => r.methods.map((m) => `${m} ${r.path}: ${r.who}`));
  const said = tableOf(page, '| route | who |').flatMap(([route, who]) =>
    pairsOf(route, sockets).map((p) => `${p}: ${who}`));
  assert.deepEqual([...new Set(said)].sort(), ours.sort());

  const param = (p) => `${p.name}${p.required ? '' : '?'}`;
  const called = methods.map((m) => `${m.name} ${m.least}: ${m.params.map(param).sort().join(' ')}`);
  const written = tableOf(page, '| request | who |').flatMap(([names, who, params]) =>
    ticked(names).map((name) => `${name} ${who}: ` +
      [...params.matchAll(/`([a-z_]+)`(\??)/g)].map((m) => m[1] + m[2]).sort().join(' ')));
  assert.deepEqual(written.sort(), called.sort());

  const units = new Map();
  for (const [n, what] of tableOf(page, '| units | for |'))
    for (const name of ticked(what))
      units.set(name.replace(/\/[A-Z]+$/, '/'), Number(n));
  for (const m of methods)
    assert.equal(m.cost, units.get(m.name) ?? 1, `units of ${m.name}`);
  for (const r of routes)
    for (const m of r.methods)
      assert.equal(r.cost, units.get(`${m === 'HEAD' ? 'GET' : m} ${r.path}`) ?? 1, `units of ${m} ${r.path}`);
});

// ---- the matrix ----

function ask(server, method, where, token) {
  return new Promise((resolve, reject) => {
    const r = http.request(server.url + where, { method, agent: false,
      headers: token ? { authorization: `Bearer ${token}` } : {} }, (res) => {
      let body = '';
      res.on('data', (d) => (body += d));
      res.on('end', () => resolve({ status: res.statusCode, body, headers: res.headers }));
    });
    r.on('error', reject);
    r.end();
  });
}

// A socket's beginning: 101, or the status of the refusal.
function upgrade(server, where, token) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`ws://${server.host}:${server.port}${where}`, where === '/v1/ws' ? ['latch.v1'] : [],
      { headers: token ? { authorization: `Bearer ${token}` } : {} });
    ws.on('open', () => { ws.terminate(); resolve(101); });
    ws.on('unexpected-response', (_, res) => { res.resume(); resolve(res.statusCode); });
    ws.on('error', reject);
  });
}

// Everybody's token; one is about to end by its time, one was signed out.
async function everybody(server) {
  const tokens = { nobody: undefined };
  for (const [name, role] of [['student', 'student'], ['other', 'student'], ['teacher', 'teacher'], ['admin', 'admin']])
    tokens[name] = (await server.user(`the.${name}`, role)).token;
  tokens.ended = (await server.user('the.late')).token;
  tokens.revoked = await server.login('the.student', 'secret of the.student');
  await ask(server, 'POST', '/api/logout', tokens.revoked);
  return tokens;
}

async function letItEnd(server, token) {
  await server.stop();
  fs.appendFileSync(server.configFile, '\n[diagnostics]\necho = yes\n');
  execFileSync('python3', ['-c', `import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1])
n = db.execute("UPDATE tokens SET expires_ms = ? WHERE user_id = (SELECT id FROM users WHERE name = 'the.late')",
               (int(time.time() * 1000) + 1500,)).rowcount
assert n == 1, n
db.commit(); db.close()`, databaseOf(server)]);
  await server.restart();
  await until(async () => (await ask(server, 'GET', '/api/me', token)).status === 401, { what: 'its end' });
}

function databaseOf(server) {
  const found = fs.readdirSync(server.data, { recursive: true }).filter((n) => /\.(db|sqlite)$/.test(n));
  assert.equal(found.length, 1, `${found}`);
  return path.join(server.data, found[0]);
}

// What must come of it: a status, or undefined: whatever it is, it is none of those that refuse.
function expected(rows, method, who) {
  const row = rows.find((r) => r.methods.includes(method));
  if (!row)
    return 405;
  const need = NEEDS[row.who];
  assert.notEqual(need, undefined, `what "${row.who}" means`);
  if (need < 0)
    return undefined;
  if (NOBODIES.includes(who))
    return 401;
  return ROLES[who] < need ? 403 : undefined;
}

// A request that ends the token it came with is asked with one of its own; renew gives the next.
async function askAs(server, method, to, who, tokens) {
  const ends = method === 'POST' && to === '/api/logout' && PEOPLE.includes(who);
  const token = ends ? await server.login(`the.${who}`, `secret of the.${who}`) : tokens[who];
  const r = await ask(server, method, to, token);
  if (method === 'POST' && to === '/api/renew' && r.status === 200)
    tokens[who] = JSON.parse(r.body).token;
  return r;
}

async function checkRoute(server, rows, to, who, tokens) {
  for (const method of METHODS) {
    const r = await askAs(server, method, to, who, tokens);
    const want = expected(rows, method, who);
    const what = `${method} ${to} as ${who}: ${r.status} ${r.body.slice(0, 200)}`;
    if (want === undefined)
      assert.ok(![401, 403, 405, 429, 501].includes(r.status) && r.status < 500, what);
    else
      assert.equal(r.status, want, what);
    if (method === 'HEAD')
      assert.equal(r.body, '', what);
    else if (r.status >= 400)
      assert.ok(JSON.parse(r.body).error.code, what);
    if (r.status === 405)
      assert.equal(r.headers.allow, METHODS.filter((m) => rows.some((x) => x.methods.includes(m))).join(', '), what);
  }
  if (rows.some((r) => r.socket)) {
    const theirs = to.startsWith('/v1/attach/') && who !== 'student' ? 404 : 101; // the student's session
    assert.equal(await upgrade(server, to, tokens[who]), expected(rows, 'GET', who) ?? theirs, `a socket at ${to} as ${who}`);
  }
}

async function checkMethods(client, methods, who) {
  for (const m of methods) {
    const e = await client.request(m.name, { 'no such parameter': 1 }).then(() => assert.fail(`${m.name} took it`), (x) => x);
    if (ROLES[who] < NEEDS[m.least === 'student' ? 'signed in' : m.least])
      assert.equal(e.word, 'forbidden', `${m.name} as ${who}: ${e.message}`);
    else
      assert.equal(e.code, -32602, `${m.name} as ${who}: ${e.message}`);
  }
  await assert.rejects(client.request('no.such', {}), (e) => e.code === -32601);
}

test('24: every route, socket and method, for everybody', async (t) => {
  const { routes, methods } = await tables();
  const server = await Server.start();
  t.after(() => server.destroy());
  const tokens = await everybody(server);
  for (const token of Object.values(tokens)) {
    assert.equal((await ask(server, 'GET', '/v1/echo', token)).status, 404, 'it is switched off');
    assert.equal(await upgrade(server, '/v1/echo', token), 404);
  }
  await letItEnd(server, tokens.ended);

  const { session } = await (await server.client(tokens.student)).openSession({ kind: 'shell', cols: 80, rows: 24 });
  for (const where of new Set(routes.map((r) => r.path))) {
    const rows = routes.filter((r) => r.path === where);
    const below = where === '/v1/attach/' ? session : 'home/matrix.txt';
    const to = where.endsWith('/') && where !== '/' ? `${where}${below}` : where;
    await inParallel([...NOBODIES, ...PEOPLE], 4, (who) => checkRoute(server, rows, to, who, tokens));
  }
  for (const who of [...NOBODIES, ...PEOPLE])
    assert.equal((await ask(server, 'GET', '/none', tokens[who])).status, 404);

  for (const who of PEOPLE)
    await checkMethods(await server.client(tokens[who]), methods, who);

  await server.fetch('/api/files/home/secret.txt', { token: tokens.student, method: 'PUT', body: 'secret' });
  for (const method of ['GET', 'HEAD', 'DELETE'])
    for (const who of ['other', 'teacher', 'admin'])
      assert.equal((await ask(server, method, '/api/files/home/secret.txt', tokens[who])).status, 404);
  assert.equal((await ask(server, 'GET', '/api/files/home/secret.txt', tokens.student)).body, 'secret');
});
