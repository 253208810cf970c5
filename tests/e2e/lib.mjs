// lib.mjs - what every end-to-end test stands on: a server of its own, users, and a client that
// speaks PROTOCOL.md (client.mjs). Programs are taken from LATCH_BIN, or build/bin.
//
//     const server = await Server.start();                  // as whoever runs the tests
//     const server = await Server.start({ as: 'ordinary' }); // dropped to an ordinary user, where root runs them
//     const ann = await server.user('ann');                 // made by latchctl: { name, password, token }
//     const c = await server.client(ann);                   // connected, hello read
//     const run = await c.runProgram('home/a.py', 'print(1)');
//     await server.stop();                                  // SIGTERM; { code, signal, ms }
//     await server.destroy();                               // in after(): kills what is left, removes DIR
// and inside a test, where the end is taken care of:
//     const server = await startServer(t);
import { spawn, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Client } from './client.mjs';

export { Client, Channel, RpcError } from './client.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
export const repo = path.resolve(here, '../..');
export const isRoot = process.getuid() === 0;
export const ORDINARY_UID = 54321; // an ordinary user for tests that root runs; needs no passwd entry
export const slow = Number(process.env.LATCH_SLOW ?? 1); // sanitizers: deadlines are multiplied by this

let cachedBin;

// The folder of the programs, copied to a place that every uid can reach if it cannot be reached.
export function binDir() {
  if (cachedBin)
    return cachedBin;
  const from = path.resolve(process.env.LATCH_BIN ?? path.join(repo, 'build/bin'));
  if (!isRoot || reachable(from))
    return (cachedBin = from);
  const to = fs.mkdtempSync('/tmp/latch-e2e-bin-');
  fs.chmodSync(to, 0o755);
  for (const name of fs.readdirSync(from)) {
    if (!fs.statSync(path.join(from, name)).isFile() || name.startsWith('.'))
      continue;
    fs.copyFileSync(path.join(from, name), path.join(to, name));
    fs.chmodSync(path.join(to, name), 0o755);
  }
  process.on('exit', () => fs.rmSync(to, { recursive: true, force: true }));
  return (cachedBin = to);
}

// Whether an ordinary uid may come this far.
export function reachable(dir) {
  for (let d = dir; ; d = path.dirname(d)) {
    if ((fs.statSync(d).mode & 0o001) === 0)
      return false;
    if (d === '/')
      return true;
  }
}

export function program(name) {
  return path.join(binDir(), name);
}

// A folder for one test that every uid can walk through (not list what lies in DIR itself).
export function tempDir(prefix = 'latch-e2e-') {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), prefix));
  fs.chmodSync(dir, 0o755);
  return dir;
}

// Whom latchd becomes when root starts it: `latch` where there is such a user.
export function serviceUser() {
  const passwd = fs.readFileSync('/etc/passwd', 'utf8');
  return /^latch:/m.test(passwd) ? 'latch' : 'nobody';
}

export function configText(sections) {
  return Object.entries(sections)
    .map(([name, keys]) => `[${name}]\n` +
      Object.entries(keys).map(([k, v]) => `${k} = ${v}\n`).join(''))
    .join('\n');
}

// Polls what has no event of its own. Rejects past the deadline, saying what was waited for.
export async function until(condition, { timeout = 5000, what = 'a condition', every = 10 } = {}) {
  const end = Date.now() + timeout * slow;
  for (;;) {
    const value = await condition();
    if (value)
      return value;
    if (Date.now() > end)
      throw new Error(`waited ${timeout * slow} ms in vain for ${what}`);
    await new Promise((r) => setTimeout(r, every));
  }
}

// Runs a program to its end: { code, signal, stdout, stderr, ms }.
export async function runToEnd(file, args, { input, timeout = 20000, ...options } = {}) {
  const began = Date.now();
  const p = spawn(file, args, { stdio: 'pipe', ...options });
  let stdout = '', stderr = '';
  p.stdout.on('data', (d) => (stdout += d));
  p.stderr.on('data', (d) => (stderr += d));
  p.stdin.on('error', () => {}); // it may end without reading
  p.stdin.end(input ?? '');
  const timer = setTimeout(() => p.kill('SIGKILL'), timeout * slow);
  const [code, signal] = await once(p, 'close');
  clearTimeout(timer);
  return { code, signal, stdout, stderr, ms: Date.now() - began };
}

const SOCKETS = 48; // of a server, unless a test says how many it needs

export class Server {
  // options: as 'ordinary' (drop to an ordinary uid where root runs the tests); config {section: {key:
  // value}} beyond the defaults; dir: an earlier server's `dir`, to start again on the same DIR; args:
  // further arguments; env.
  static async start(options = {}) {
    const s = new Server(options);
    s.launch();
    await s.ready();
    return s;
  }

  constructor({ as, config = {}, dir, args = [], env = {}, wrap = [], bin = binDir() } = {}) {
    this.ordinary = isRoot && as === 'ordinary';
    this.uid = this.ordinary ? ORDINARY_UID : process.getuid();
    this.ownsDir = !dir;
    this.dir = dir ?? tempDir();
    this.data = path.join(this.dir, 'data');
    this.portFile = path.join(this.dir, 'port');
    this.configFile = path.join(this.dir, 'latch.ini');
    this.args = args;
    this.listen = '127.0.0.1:0'; // to come back to the same place: `127.0.0.1:${server.port}`
    this.env = env;
    this.bin = bin; // the folder of the programs
    this.wrap = wrap; // a program before latchd, e.g. ['prlimit', '--nofile=100']
    this.stdout = '';
    this.stderr = '';
    this.clients = new Set();
    this.passwords = new Map();
    if (this.ordinary)
      fs.chownSync(this.dir, ORDINARY_UID, ORDINARY_UID);
    const all = { server: {}, ...config };
    // Each place for a socket is a thread, and threads take long to start under a sanitizer.
    if (slow > 1)
      all.server = { max_sockets: SOCKETS, ...all.server };
    if (isRoot && !this.ordinary)
      all.server = { user: serviceUser(), ...all.server };
    fs.writeFileSync(this.configFile, configText(all));
    fs.rmSync(this.portFile, { force: true });
  }

  launch() {
    const level = process.env.LOCK_LEVEL ? ['--lock-level', process.env.LOCK_LEVEL] : [];
    const argv = [...this.wrap, path.join(this.bin, 'latchd'), '--data', this.data, '--listen', this.listen,
      '--port-file', this.portFile, '--config', this.configFile, ...level, ...this.args];
    const ids = this.ordinary ? { uid: ORDINARY_UID, gid: ORDINARY_UID } : {};
    this.began = Date.now();
    this.proc = spawn(argv[0], argv.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
      env: { ...process.env, ...this.env },
      ...ids,
    });
    this.pid = this.proc.pid;
    this.proc.stdout.on('data', (d) => (this.stdout += d));
    this.proc.stderr.on('data', (d) => {
      this.stderr += d;
      if (process.env.LATCH_LOG)
        process.stderr.write(d);
    });
    this.exited = new Promise((resolve) =>
      this.proc.on('close', (code, signal) => {
        this.status = { code, signal, ms: Date.now() - this.began };
        if (/^latch: /m.test(this.stderr)) { // a lock was misused, whatever the test made of latchd's end
          console.error(this.stderr);
          process.exitCode = 1;
        }
        resolve(this.status);
      }));
  }

  // Resolves once the port file stands; rejects with the server's words if it ends before that.
  async ready(timeout = 15000) {
    const text = await until(() => {
      if (this.status)
        throw new Error(`latchd ended with ${JSON.stringify(this.status)}:\n` +
          this.stdout + this.stderr);
      return fs.existsSync(this.portFile) && fs.readFileSync(this.portFile, 'utf8');
    }, { timeout, what: `the port file; so far:\n${this.stdout}${this.stderr}` });
    const m = /^(.+):(\d+)\n$/.exec(text);
    if (!m)
      throw new Error(`the port file says ${JSON.stringify(text)}`);
    this.host = m[1];
    this.port = Number(m[2]);
    this.url = `http://${this.host}:${this.port}`;
    await until(() => /ready/.test(this.stdout), { what: 'the ready line' });
    return this;
  }

  get wsUrl() {
    return `ws://${this.host}:${this.port}/v1/ws`;
  }

  get firstLink() {
    return /(http:\/\/\S+#link=\S+)/.exec(this.stdout)?.[1];
  }

  get firstPassword() {
    return /password:?\s+(\S+)/i.exec(this.stdout)?.[1];
  }

  // The same DIR, a new process.
  async restart(options = {}) {
    if (!this.status)
      await this.stop();
    this.status = undefined;
    this.stdout = this.stderr = '';
    fs.rmSync(this.portFile, { force: true });
    if (options.config)
      fs.writeFileSync(this.configFile, configText(options.config));
    this.launch();
    return this.ready();
  }

  // Sends a signal and waits for the end: { code, signal, ms (from the signal to the end) }.
  async stop(signal = 'SIGTERM', { timeout = 10000 } = {}) {
    const began = Date.now();
    if (!this.status)
      this.proc.kill(signal);
    const timer = setTimeout(() => this.proc.kill('SIGKILL'), timeout * slow);
    const status = await this.exited;
    clearTimeout(timer);
    return { ...status, ms: Date.now() - began };
  }

  kill9() {
    return this.stop('SIGKILL');
  }

  // In after(): sessions are ended, whatever is left is killed, DIR is removed.
  async destroy() {
    for (const c of this.clients)
      c.terminate();
    if (!this.status)
      await this.quickCtl(['stop', '--end-sessions']).catch(() => {});
    await this.stop('SIGKILL', { timeout: 5000 });
    for (const pid of this.survivors()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch { /* it ended by itself */ }
    }
    if (this.ownsDir) // rmSync gives up on what hostile paths have made: it calls itself for each folder
      execFileSync('rm', ['-rf', '--', this.dir]);
  }

  // Processes that carry this DIR in their argv (PROTOCOL.md): holders and what is theirs.
  survivors() {
    const found = [];
    for (const pid of fs.readdirSync('/proc')) {
      if (!/^\d+$/.test(pid) || Number(pid) === this.pid || Number(pid) === process.pid)
        continue;
      try {
        if (fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.data))
          found.push(Number(pid));
      } catch { /* gone meanwhile */ }
    }
    return found;
  }

  ctl(args, input, bin = binDir()) {
    const ids = this.ordinary ? { uid: ORDINARY_UID, gid: ORDINARY_UID } : {};
    return runToEnd(path.join(bin, 'latchctl'), ['--data', this.data, ...args],
      { input, cwd: '/', ...ids });
  }

  // What only prepares or ends a test: without a sanitizer, which starts fifteen times as quickly.
  quickCtl(args, input) {
    return this.ctl(args, input, process.env.LATCH_TOOLS ?? binDir());
  }

  // A new user, made by latchctl, signed in: { name, role, password, token }.
  async user(name, role = 'student', password = `secret of ${name}`) {
    const r = await this.quickCtl(['user', 'add', name, '--role', role, '--password-stdin'],
      `${password}\n`);
    if (r.code !== 0)
      throw new Error(`latchctl user add ${name}: ${r.code} ${r.stdout}${r.stderr}`);
    this.passwords.set(name, password);
    return { name, role, password, token: await this.login(name, password) };
  }

  // The same, its token alone.
  async addUser(name, role, password) {
    return (await this.user(name, role, password)).token;
  }

  fetch(route, options = {}) {
    const { token, json, headers, ...rest } = options;
    return fetch(this.url + route, {
      redirect: 'manual',
      ...(json === undefined ? {} : { body: JSON.stringify(json), method: 'POST' }),
      ...rest,
      headers: {
        ...(token ? { authorization: `Bearer ${token.token ?? token}` } : {}),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
    });
  }

  async login(username, password) {
    const r = await this.fetch('/api/login', { json: { username, password } });
    const text = await r.text();
    if (r.status !== 200)
      throw new Error(`sign-in of ${username}: ${r.status} ${text}`);
    return JSON.parse(text).token;
  }

  // A connected client; who: a token, or what user() gave. See client.mjs for options.
  async client(who, options = {}) {
    const c = await Client.connect(this.wsUrl, who?.token ?? who, options);
    this.clients.add(c);
    c.closed.then(() => this.clients.delete(c));
    return c;
  }
}

// A server for one test: gone with all its sessions when the test ends.
export async function startServer(t, options) {
  const server = await Server.start(options);
  t.after(() => server.destroy());
  return server;
}

// What `ps` would say of a process, or undefined once it is gone.
export function processStatus(pid) {
  try {
    return Object.fromEntries(fs.readFileSync(`/proc/${pid}/status`, 'utf8').trim().split('\n')
      .map((l) => [l.slice(0, l.indexOf(':')), l.slice(l.indexOf(':') + 1).trim()]));
  } catch {
    return undefined;
  }
}

export function haveProgram(name) {
  try {
    execFileSync('/usr/bin/env', ['which', name], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
