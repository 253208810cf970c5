// faults.mjs - what fails beneath a server, and what is asked of it meanwhile. The faults are those of
// tests/fault/shim.c, which this file tells what to do through a mapped file; a full disk is a small tmpfs.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { Server, isRoot, repo, slow, tempDir } from './lib.mjs';

const CALLS = ['write', 'pwrite', 'pread', 'read', 'fsync', 'renameat2', 'mkdirat', 'openat2', 'open', 'openat',
  'ftruncate', 'memfd_create', 'sendmsg', 'socketpair', 'fork', 'sendfile'];
const PROGRAMS = ['latchd', 'latch-spawn'];
const EIO = 5, EAGAIN = 11, ENOMEM = 12, EMFILE = 24, ENOSPC = 28;
const NAMES = { [EIO]: 'EIO', [EAGAIN]: 'EAGAIN', [ENOMEM]: 'ENOMEM', [EMFILE]: 'EMFILE', [ENOSPC]: 'ENOSPC' };
const ALWAYS = 0xffffffff;

// What fails, and what must not be said to have worked meanwhile (names of `requests`).
export const faults = [
  { call: 'write', error: EIO, never: ['fs.write', 'put'] },
  { call: 'write', error: ENOSPC, never: ['fs.write', 'put'] },
  { call: 'fsync', error: EIO, never: ['fs.write', 'put', 'fs.mkdir', 'fs.rename', 'login', 'renew'] },
  { call: 'renameat2', error: EIO, never: ['fs.write', 'fs.mkdir', 'fs.rename', 'put'] },
  { call: 'mkdirat', error: ENOSPC, never: ['fs.mkdir'] },
  { call: 'openat2', error: EMFILE, never: ['fs.write', 'fs.read', 'fs.list', 'fs.mkdir', 'fs.rename', 'put', 'get', 'run'] },
  { call: 'read', error: EIO, never: ['run'] },
  { call: 'pread', error: EIO, never: ['fs.read'] },
  { call: 'sendfile', error: EIO, never: ['get'] },
  { call: 'pwrite', error: EIO, never: ['login', 'renew', 'run', 'shell'] },
  { call: 'pwrite', error: ENOSPC, never: ['login', 'renew', 'run', 'shell'] },
  { call: 'memfd_create', error: ENOMEM, never: ['run'] },
  { call: 'memfd_create', error: EMFILE, program: 'latch-spawn', never: ['run', 'shell'] },
  { call: 'socketpair', error: EMFILE, never: ['run', 'shell'] },
  { call: 'fork', error: EAGAIN, program: 'latch-spawn', never: ['run', 'shell'] },
  { call: 'fork', error: ENOMEM, program: 'latch-spawn', never: ['run', 'shell'] },
].map((f) => ({ program: 'latchd', ...f,
  name: `${f.call} in ${f.program ?? 'latchd'} fails with ${NAMES[f.error]}`, word: NAMES[f.error] }));

// A server whose system calls can be made to fail.
export class Faults {
  static async start(t, options = {}) {
    const f = new Faults();
    f.dir = tempDir('latch-faults-');
    f.file = path.join(f.dir, 'slots');
    fs.writeFileSync(f.file, Buffer.alloc(16 * CALLS.length * PROGRAMS.length));
    if (isRoot)
      fs.chmodSync(f.file, 0o666);
    f.server = await Server.start({ ...options, env: {
      LATCH_FAULTS: f.file,
      LD_PRELOAD: process.env.LATCH_FAULT_SHIM ?? path.join(repo, 'build/fault_shim.so'),
      // The sanitizer wants to be the first library; the shim stands before it and calls on.
      ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0`,
    } });
    t.after(async () => {
      f.stop();
      await f.server.destroy();
      fs.rmSync(f.dir, { recursive: true, force: true });
    });
    return f;
  }

  slot({ program = 'latchd', call }, values) {
    const at = 16 * (PROGRAMS.indexOf(program) * CALLS.length + CALLS.indexOf(call));
    const fd = fs.openSync(this.file, 'r+');
    const b = Buffer.alloc(16);
    if (values) {
      values.forEach((v, i) => b.writeUInt32LE(v, 4 * i));
      fs.writeSync(fd, b.subarray(4), 0, 12, at + 4); // the errno last: it switches it on
      fs.writeSync(fd, b, 0, 4, at);
    }
    fs.readSync(fd, b, 0, 16, at);
    fs.closeSync(fd);
    return { hits: b.readUInt32LE(12), left: b.readUInt32LE(8) };
  }

  // From now on: `skip` calls pass, then `times` fail.
  arm(fault, { skip = 0, times = ALWAYS } = {}) {
    this.slot(fault, [0, 0, 0, 0]);
    this.slot(fault, [fault.error, skip, times, 0]);
  }

  hits(fault) {
    return this.slot(fault).hits;
  }

  stop() {
    for (const program of PROGRAMS)
      for (const call of CALLS)
        this.slot({ program, call }, [0, 0, 0, 0]);
  }
}

// A server on a disk of `bytes`, which `fill` makes full.
export async function startOnSmallDisk(t, bytes, options = {}) {
  const dir = tempDir('latch-small-');
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=755,nosuid,nodev`, 'tmpfs', dir]);
  let server;
  t.after(async () => {
    await server?.destroy();
    execFileSync('umount', [dir]);
    fs.rmdirSync(dir);
  });
  server = await Server.start({ ...options, dir });
  const balloon = path.join(dir, 'balloon');
  return {
    server,
    // All but about `left` bytes.
    fill(left = 0) {
      const fd = fs.openSync(balloon, 'a');
      const piece = Buffer.alloc(4096, 'x');
      for (let free; (free = fs.statfsSync(dir)).bavail * free.bsize > left;) {
        try {
          fs.writeSync(fd, piece);
        } catch (e) {
          if (e.code !== 'ENOSPC')
            throw e;
          break;
        }
      }
      fs.closeSync(fd);
    },
    empty: () => fs.rmSync(balloon, { force: true }),
  };
}

// ---- what is asked ----

let unique = 0;
const fresh = (kind) => `home/${kind}-${++unique}`;
const home = (s, user, file) => path.join(s.data, 'users', user.name, file);

// Each: the request, as { ok, why }; and for what it said had worked, whether it had. An error that is no answer
// (no reply in time, a broken connection) rejects.
export const requests = {
  'fs.write': async (w) => {
    const file = fresh('write'), data = `${file} `.repeat(200);
    return rpc(w, 'fs.write', { path: file, data }, () => fs.readFileSync(home(w.server, w.user, file), 'utf8') === data);
  },
  'fs.read': (w) => rpc(w, 'fs.read', { path: 'home/there.txt' }, (r) => r.data === 'it is there\n'),
  'fs.list': (w) => rpc(w, 'fs.list', { path: 'home' }, (r) => r.some((e) => e.name === 'there.txt')),
  'fs.mkdir': async (w) => {
    const file = fresh('dir');
    return rpc(w, 'fs.mkdir', { path: file }, () => fs.statSync(home(w.server, w.user, file)).isDirectory());
  },
  'fs.rename': async (w) => {
    const to = fresh('renamed'), from = `home/from-${++unique}`;
    fs.writeFileSync(home(w.server, w.user, from), '');
    const r = await rpc(w, 'fs.rename', { from, to }, () => fs.existsSync(home(w.server, w.user, to)));
    if (!r.ok)
      fs.rmSync(home(w.server, w.user, from), { force: true });
    return r;
  },
  put: async (w) => {
    const file = fresh('put'), body = `${file} `.repeat(3000);
    return http(w, `/api/files/${file}`, { method: 'PUT', body, token: w.user }, () =>
      fs.readFileSync(home(w.server, w.user, file), 'utf8') === body);
  },
  get: (w) => http(w, '/api/files/home/there.txt', { token: w.user }, (text) => text === 'it is there\n'),
  login: (w) => http(w, '/api/login', { json: { username: w.user.name, password: w.user.password }, more: w.hash_ms },
    async (text) => (await w.server.fetch('/api/me', { token: JSON.parse(text).token })).status !== 401),
  renew: async (w) => {
    const token = w.spare.pop();
    return http(w, '/api/renew', { method: 'POST', token }, async (text) =>
      (await w.server.fetch('/api/me', { token: JSON.parse(text).token })).status !== 401);
  },
  run: (w) => open(w, { kind: 'run', path: `home/run-${++unique % 8}.py`, cols: 80, rows: 24 }),
  shell: (w) => open(w, { kind: 'shell', cols: 80, rows: 24 }),
};

async function rpc(w, method, params, holds) {
  try {
    const r = await w.client.request(method, params, { timeout: w.deadline });
    return { ok: true, holds: await holds(r) };
  } catch (e) {
    if (e.name !== 'RpcError')
      throw e;
    return { ok: false, why: e.word ?? String(e.code), text: e.text };
  }
}

async function http(w, route, options, holds) {
  const r = await w.server.fetch(route, { ...options, signal: AbortSignal.timeout((w.deadline + (options.more ?? 0)) * slow) });
  const text = await r.text().catch((e) => {
    if (e.name !== 'TypeError')
      throw e; // a timeout
  });
  if (text === undefined) // the head was out: only an end short of its length can say that the rest failed
    return { ok: false, why: 'cut', text: 'cut short' };
  if (r.status < 300)
    return { ok: true, holds: await holds(text) };
  return { ok: false, why: JSON.parse(text).error.code, text };
}

async function open(w, params) {
  let ch;
  try {
    ch = await w.client.openSession(params, { timeout: w.deadline });
  } catch (e) {
    if (e.name !== 'RpcError')
      throw e;
    return { ok: false, why: e.word ?? String(e.code), text: e.text };
  }
  w.opened.push(ch);
  return { ok: true, holds: true };
}

// Somebody who asks: signed in, with a file and programs of their own. deadline: of each request, in ms.
export async function asker(server, { name = 'ann', deadline = 10000 } = {}) {
  const user = await server.user(name);
  const w = { server, user, deadline, opened: [], spare: [] };
  const began = Date.now(); // a password's hash takes what it takes on this machine: that is no fault
  await server.login(name, user.password);
  w.hash_ms = 2 * (Date.now() - began);
  w.client = await server.client(user);
  await w.client.write('home/there.txt', 'it is there\n');
  for (let i = 0; i < 8; i++)
    await w.client.write(`home/run-${i}.py`, 'print("ran")\n');
  return w;
}

// Tokens to be renewed: made before anything fails.
export async function moreTokens(w, n) {
  for (let i = 0; i < n; i++)
    w.spare.push(await w.server.login(w.user.name, w.user.password));
}

// Sessions that were opened are ended, so that the next round has room.
export async function closeAll(w) {
  for (const ch of w.opened.splice(0))
    await w.client.request('session.close', { session: ch.session });
}
