// ACCEPTANCE 28: sockets open, attach and close sessions while the server is killed in the middle of it. Each
// server that starts knows exactly the sessions whose holders live: none is lost, none is there twice, none is left
// behind; what was closed stays closed, what was opened is there, and its file is leased by it alone.
// also under tsan
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { count, freely } from './counts.mjs';
import { dice } from './flood.mjs';
import { processStatus, startServer, until } from './lib.mjs';

const full = process.env.COUNT === 'full';
const rounds = full ? 60 : count(8, { asan: 4, tsan: 2 });
const sockets = full ? 64 : count(16, { asan: 8, tsan: 6 });
const SESSIONS = 12; // that are meant to live at a time
const WAITS = 'import sys\nprint("ready", flush=True)\nsys.stdin.readline()\nprint("done")\n';

// The sessions that have a holder: the second of its arguments.
function held(server) {
  const ids = [];
  for (const pid of server.survivors()) {
    if (processStatus(pid)?.Name !== 'latch-hold')
      continue;
    const argv = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
    ids.push(argv[2]);
  }
  return ids.sort();
}

// What the clients were told: of no request whose reply is missing anything is known.
class Book {
  opened = new Map();  // session -> path
  closing = new Set(); // asked for, and maybe done
  closed = new Set();
}

// One socket's user: opens, attaches, closes, until the server dies.
async function act(server, user, book, roll, me) {
  const c = await server.client(user);
  for (let n = 0; ; n++) {
    const known = [...book.opened.keys()].filter((id) => !book.closing.has(id));
    const id = known[roll(Math.max(1, known.length))];
    if (known.length < SESSIONS && roll(2) === 0) {
      const path = `home/${me}-${n % 3}.py`;
      const ch = await c.openSession({ kind: 'run', path, cols: 80, rows: 24 }).catch(passOver('busy'));
      if (ch)
        book.opened.set(ch.session, path);
    } else if (id && roll(3) === 0) {
      book.closing.add(id);
      const done = await c.request('session.close', { session: id }).catch(passOver('not_found'));
      if (done)
        book.closed.add(id);
    } else if (id) {
      const ch = await c.attach(id, { since: 0, role: roll(2) ? 'driver' : 'viewer' })
        .catch(passOver('not_found', 'limit_reached'));
      if (ch)
        await c.request('session.detach', { channel: ch.number }).catch(passOver('not_found'));
    }
  }
}

const passOver = (...words) => (e) => {
  if (!words.includes(e.word))
    throw e;
};

// What the next server knows, beside what is there and what was told.
async function judge(server, user, book) {
  const c = await server.client(user);
  const listed = await c.request('session.list', {});
  const ids = listed.map((s) => s.session).sort();
  assert.equal(new Set(ids).size, ids.length, 'none is there twice');
  await until(() => held(server).join() === ids.join(), { what: `holders ${held(server)} to be the sessions ${ids}` });
  for (const id of book.opened.keys())
    if (!book.closing.has(id))
      assert.ok(ids.includes(id), `${id} was opened, and not closed`);
  for (const id of book.closed)
    assert.ok(!ids.includes(id), `${id} was closed`);
  for (const s of listed) {
    assert.equal(s.state, 'running');
    book.opened.set(s.session, s.path); // its reply may have been lost
    await assert.rejects(c.openSession({ kind: 'run', path: s.path, cols: 80, rows: 24 }),
      (e) => e.word === 'busy' && e.data.session === s.session, `${s.path} is leased by ${s.session}`);
  }
  for (const id of [...book.opened.keys()])
    if (!ids.includes(id))
      book.opened.delete(id);
  book.closing.clear();
  return c;
}

test(`${rounds} kills among ${sockets} sockets that open, attach and close`, async (t) => {
  const server = await startServer(t, { config: freely });
  const ann = await server.user('ann');
  const roll = dice(t);
  const book = new Book();
  const writer = await server.client(ann);
  for (let i = 0; i < sockets; i++)
    for (let n = 0; n < 3; n++)
      await writer.write(`home/${i}-${n}.py`, WAITS);
  for (let round = 0; round < rounds; round++) {
    const acting = Array.from({ length: sockets }, (_, i) => act(server, ann, book, roll, i));
    const settled = Promise.allSettled(acting);
    await sleep((full ? 1000 : 60) + roll(120));
    await server.kill9();
    for (const r of await settled)
      assert.match(String(r.reason), /closed|hang up|ECONN/, 'only the death of the server ends it');
    await server.restart();
    await judge(server, ann, book);
  }
  // They live: each hears its line and says its last.
  const c = await judge(server, ann, book);
  t.diagnostic(`${book.opened.size} sessions live in the end, ${book.closed.size} were closed`);
  for (const id of book.opened.keys()) {
    const ch = await c.attach(id, { since: 0, role: 'driver' });
    ch.input('\n');
    assert.equal((await ch.waitExit()).code, 0);
    assert.match(ch.text, /^ready\r\n\r\ndone\r\n$/);
  }
  const { stdout } = await server.ctl(['stop', '--end-sessions']);
  assert.ok(stdout !== undefined);
  await server.exited;
  await until(() => server.survivors().length === 0, { what: 'nothing to be left' });
});
