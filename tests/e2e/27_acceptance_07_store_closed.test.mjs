// ACCEPTANCE 7: there is one way down, and it closes the store. SIGTERM under load: exit 0 within 5 s, the database
// whole, the descriptors of each start the same. SIGKILL: what was acknowledged is there.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { freely, variant } from './counts.mjs';
import { Server, slow, until } from './lib.mjs';

const full = process.env.COUNT === 'full';
const terms = full ? 50 : { rel: 8, asan: 5, tsan: 3 }[variant];
const kills = full ? 20 : { rel: 4, asan: 2, tsan: 2 }[variant];

function integrity(server) {
  const code = 'import sqlite3, sys\n' +
    'c = sqlite3.connect(sys.argv[1], timeout=10)\n' +
    'print(c.execute("PRAGMA integrity_check").fetchone()[0])\nc.close()';
  return execFileSync('python3', ['-c', code, path.join(server.data, 'latch.db')], { encoding: 'utf8' }).trim();
}

// Descriptors but for the store's connections, which come as many calls are made at once (at most 16).
function descriptors(pid) {
  const open = [];
  for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
    try {
      const to = fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
      if (!to.includes('latch.db'))
        open.push(to.replace(/\d+/g, 'N'));
    } catch { /* closed meanwhile */ }
  }
  return open.sort();
}

// Three kinds of writers until the server is gone. acked: path -> what was acknowledged last, tried: what came after.
function load(server, who, c, acked, tried) {
  const write = async (name, put) => {
    for (let i = 0; ; i++) {
      const data = `${name} ${i} of ${server.pid}\n`;
      tried.set(name, data);
      try {
        await put(name, data);
      } catch {
        return; // the server ends
      }
      acked.set(name, data);
    }
  };
  const put = async (name, body) => {
    const r = await server.fetch(`/api/files/${name}`, { method: 'PUT', token: who, body });
    await r.arrayBuffer();
    if (!r.ok)
      throw new Error(`${r.status}`);
  };
  return Promise.all([
    write('home/ws1.txt', (path, data) => c.request('fs.write', { path, data })),
    write('home/ws2.txt', (path, data) => c.request('fs.write', { path, data })),
    write('home/http.txt', put),
  ]);
}

async function loopOf(c) {
  await c.write('home/loop.py', 'import time\nprint("on", flush=True)\nwhile True: time.sleep(0.05)\n');
  const ch = await c.openSession({ kind: 'run', path: 'home/loop.py', cols: 80, rows: 24 });
  await ch.waitText('on');
}

test(`07: ${terms} SIGTERMs under load: exit 0 in 5 s, the database whole, descriptors constant`, async (t) => {
  const server = await Server.start({ config: freely });
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  await loopOf(await server.client(ann));
  await server.stop();
  let first;
  for (let i = 0; i < terms; i++) {
    await server.restart();
    const now = await until(() => {
      const open = descriptors(server.pid);
      return (!first || open.length === first.length) && open;
    }, { what: 'as many descriptors as at the first start' });
    first ??= now;
    assert.deepEqual(now, first, 'the same descriptors at every start');
    const acked = new Map(), tried = new Map();
    const under = load(server, ann, await server.client(ann), acked, tried);
    await until(() => acked.size === 3, { what: 'writes of each kind' });
    await new Promise((r) => setTimeout(r, (i * 37) % 200)); // at another moment each time
    const end = await server.stop();
    assert.deepEqual([end.code, end.signal], [0, null], server.stderr);
    assert.ok(end.ms < 5000 * slow, `${end.ms} ms`);
    assert.equal(integrity(server), 'ok');
    await under;
  }
  const verify = await server.ctl(['audit', 'verify']);
  assert.equal(verify.code, 0, verify.stderr);
});

test(`07: ${kills} SIGKILLs under load: files, users, tokens and their record survive`, async (t) => {
  const server = await Server.start({ config: freely });
  t.after(() => server.destroy());
  const ann = await server.user('ann');
  const users = ['admin', 'ann'], tokens = [ann.token];
  for (let i = 0; i < kills; i++) {
    const acked = new Map(), tried = new Map();
    const under = load(server, ann, await server.client(ann), acked, tried);
    const administrate = (async () => {
      for (let k = 0; ; k++) {
        const name = `u${i}-${k}`;
        try {
          const user = await server.user(name);
          users.push(name);
          tokens.push(user.token);
        } catch {
          return;
        }
      }
    })();
    await until(() => acked.size === 3 && users.some((u) => u.startsWith(`u${i}-`)), { what: 'something of each', timeout: 20000 });
    await new Promise((r) => setTimeout(r, (i * 53) % 150));
    await server.kill9();
    await under;
    await administrate; // latchctl works on DIR itself where it finds no server: its lock must be free again
    await server.restart();

    assert.equal(integrity(server), 'ok');
    for (const [name, data] of acked) {
      const text = await (await server.fetch(`/api/files/${name}`, { token: ann })).text();
      assert.ok(text === data || text === tried.get(name), `${name}: ${text} is neither ${data} nor ${tried.get(name)}`);
    }
    for (const token of tokens)
      assert.equal((await server.fetch('/api/me', { token })).status, 200, 'an acknowledged sign-in');
    const listed = (await server.ctl(['user', 'list'])).stdout.split('\n').map((l) => l.split('\t')[0]);
    const record = (await server.ctl(['audit', 'list', '--what', 'admin.user_add', '--json'])).stdout;
    for (const name of users) {
      assert.ok(listed.includes(name), `the user ${name}`);
      assert.match(record, new RegExp(`"object":"${name}"[^}]*"outcome":"ok"`), `the record of ${name}`);
    }
    const verify = await server.ctl(['audit', 'verify']);
    assert.equal(verify.code, 0, verify.stderr);
  }
});
