// ACCEPTANCE 8: sign-in, kick and close race, and no socket's end touches its successor.
// also under tsan
import assert from 'node:assert/strict';
import test from 'node:test';

import { count } from './counts.mjs';
import { startServer, until } from './lib.mjs';

const USERS = 8;
const CYCLES = count(200, { asan: 64, tsan: 32 });

test('sign-in, kick and close race: the new socket still receives, entries are open sockets', async (t) => {
  const s = await startServer(t, { config: { limits: { requests_per_minute: 1000000 } } });
  const admin = await s.client(await s.login('admin', s.firstPassword));
  let open = 1, left = CYCLES;

  const signIn = async (name) => {
    const { link } = await admin.request('admin.user_link', { name });
    const r = await s.fetch('/api/login', { json: { link } });
    assert.equal(r.status, 200);
    return s.client((await r.json()).token);
  };
  const chain = async (name) => {
    await admin.request('admin.user_add', { name, role: 'student', password: `secret of ${name}` });
    let old = await signIn(name);
    open++;
    while (left-- > 0) {
      const next = await signIn(name);
      const kick = next.request('user.sign_out', { all_others: true });
      if (left % 2)
        old.close(); // in the same moment
      else if (left % 4 === 0)
        old.terminate();
      await Promise.all([kick, old.closed]);
      assert.equal((await next.request('fs.stat', { path: 'home' })).type, 'dir');
      assert.equal(next.end, undefined);
      old = next;
    }
    return old;
  };
  const last = await Promise.all(Array.from({ length: USERS }, (_, i) => chain(`user${i}`)));
  const sockets = async () => (await (await s.fetch('/healthz')).json()).sockets;
  await until(async () => (await sockets()) === open, { what: `${open} sockets in healthz` });
  for (const c of last)
    assert.equal((await c.request('user.me', {})).role, 'student');
  await Promise.all(last.map((c) => c.close()));
  await until(async () => (await sockets()) === 1, { what: 'one socket in healthz' });
});
