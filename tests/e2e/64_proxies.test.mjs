// A real nginx and a real HAProxy with TLS in front, from the very blocks of docs/deploy.md.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';

import WebSocket from 'ws';

import { isRoot, repo, Server, tempDir, until } from './lib.mjs';

const CLIENT = '127.0.0.2'; // whom the proxy sees

async function freePort() {
  const s = net.createServer().listen(0, '127.0.0.1');
  await once(s, 'listening');
  const { port } = s.address();
  s.close();
  await once(s, 'close');
  return port;
}

function block(language) {
  const page = fs.readFileSync(path.join(repo, 'docs/deploy.md'), 'utf8');
  return new RegExp('```' + language + '\n([^]*?)```').exec(page)[1];
}

function certificate(dir) {
  const at = (name) => path.join(dir, name);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-days', '2', '-subj', '/CN=127.0.0.1', '-keyout', at('key.pem'), '-out', at('fullchain.pem')], { stdio: 'ignore' });
  fs.writeFileSync(at('both.pem'), fs.readFileSync(at('fullchain.pem')) + fs.readFileSync(at('key.pem')));
}

const proxies = {
  nginx: {
    config: (dir, text) => `${isRoot ? 'user root;' : ''} daemon off; pid ${dir}/pid; error_log ${dir}/errors;
events {}
http {
access_log off;
${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((n) => `${n}_temp_path ${dir}/${n};`).join('\n')}
${text}
}
`,
    start: (file, dir) => ['nginx', '-p', dir, '-c', file],
  },
  haproxy: { config: (dir, text) => text, start: (file) => ['haproxy', '-db', '-f', file] },
};

// The proxy of the page, on a free port before this server: its port.
async function startProxy(t, name, dir, port, backend) {
  certificate(dir);
  const swap = [['/etc/latch/tls', dir], ['code.example.org', '127.0.0.1'], ['127.0.0.1:8090', `127.0.0.1:${backend}`],
    ['listen 443', `listen 127.0.0.1:${port}`], ['bind :443', `bind 127.0.0.1:${port}`]];
  const text = swap.reduce((s, [from, to]) => s.replaceAll(from, to), block(name));
  const file = path.join(dir, 'proxy.conf');
  fs.writeFileSync(file, proxies[name].config(dir, text));
  const [program, ...args] = proxies[name].start(file, dir);
  const proc = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
  let said = '';
  proc.stderr.on('data', (d) => (said += d));
  const gone = once(proc, 'close');
  t.after(async () => {
    proc.kill('SIGTERM');
    await gone;
  });
  await until(() => new Promise((resolve, reject) => {
    if (proc.exitCode !== null)
      reject(new Error(`${name} ended: ${said}`));
    const s = net.connect(port, '127.0.0.1', () => { s.destroy(); resolve(true); });
    s.on('error', () => resolve(false));
  }), { what: `${name} to listen` });
}

function ask(port, method, route, { headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const r = https.request({ host: '127.0.0.1', port, method, path: route, localAddress: CLIENT, rejectUnauthorized: false,
      agent: false, headers: { ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) } },
    async (answer) => {
      const parts = [];
      for await (const part of answer)
        parts.push(part);
      resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) });
    });
    r.on('error', reject);
    r.end(body);
  });
}

// A socket, or the status it was refused with.
function dial(port, headers) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`wss://127.0.0.1:${port}/v1/ws`, 'latch.v1',
      { headers, rejectUnauthorized: false, localAddress: CLIENT, perMessageDeflate: false });
    const messages = [];
    ws.on('message', (m) => messages.push(JSON.parse(m.toString())));
    ws.on('open', () => resolve({ ws, messages }));
    ws.on('unexpected-response', (_, answer) => {
      answer.resume();
      resolve({ status: answer.statusCode, headers: answer.headers });
    });
    ws.on('error', reject);
  });
}

for (const name of Object.keys(proxies))
  test(`behind ${name} with TLS, as docs/deploy.md has it`, async (t) => {
    const dir = tempDir(), port = await freePort();
    const url = `https://127.0.0.1:${port}`;
    t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
    const s = await Server.start({ config: { server: { public_url: url, trusted_proxies: '127.0.0.1', max_sockets: 1 } } });
    t.after(() => s.destroy());
    await startProxy(t, name, dir, port, s.port);
    const ann = await s.user('ann');

    // Signing in: a cookie that goes over https alone; the client's address in the log, whatever it claims.
    const login = await ask(port, 'POST', '/api/login', { body: JSON.stringify({ username: 'ann', password: ann.password }),
      headers: { origin: url, 'content-type': 'application/json', 'x-forwarded-for': '9.9.9.9' } });
    assert.equal(login.status, 200, login.body.toString());
    const set = login.headers['set-cookie'][0];
    assert.match(set, /; Secure/);
    const cookie = set.split(';')[0];
    const seen = () => s.stderr.split('\n').filter((l) => /route=\/api\/login /.test(l)).at(-1);
    await until(() => / address=127\.0\.0\.2(\s|$)/.test(seen()), { what: `the client's address in ${seen()}` });
    assert.ok(!s.stderr.includes('9.9.9.9'));
    const foreign = await ask(port, 'POST', '/api/login', { body: '{}', headers: { origin: 'https://evil.example' } });
    assert.equal(foreign.status, 403);

    // A socket, and a request over it; from elsewhere, or without an Origin, none.
    const c = await dial(port, { cookie, origin: url });
    assert.ok(c.ws, `the socket was refused: ${c.status}`);
    await until(() => c.messages.length > 0, { what: 'hello' });
    assert.equal(c.messages[0].params.user.name, 'ann');
    c.ws.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'user.signins' }));
    const answer = await until(() => c.messages.find((m) => m.id === 1), { what: 'a reply' });
    assert.equal(answer.result.find((one) => one.current).address, CLIENT);
    assert.equal((await dial(port, { cookie, origin: 'https://evil.example' })).status, 403);
    assert.equal((await dial(port, { cookie })).status, 403);

    // What latchd refuses comes through as it said it.
    const full = await dial(port, { cookie, origin: url });
    assert.equal(full.status, 503);
    assert.ok(Number(full.headers['retry-after']) > 0);
    c.ws.close();

    // A body of some size, up and down.
    const body = Buffer.alloc(2 << 20, 'abcdefgh\n');
    const put = await ask(port, 'PUT', '/api/files/home/big.txt', { body, headers: { cookie, origin: url } });
    assert.equal(put.status, 201, put.body.toString());
    const get = await ask(port, 'GET', '/api/files/home/big.txt', { headers: { cookie } });
    assert.equal(get.status, 200);
    assert.ok(get.body.equals(body));
    assert.equal((await ask(port, 'PUT', '/api/files/home/x', { body, headers: { cookie } })).status, 403);
  });
