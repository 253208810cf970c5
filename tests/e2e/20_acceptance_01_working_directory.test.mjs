// ACCEPTANCE 1: the working directory is never changed in a shared process.
// 60 users x 20 runs at once, each writes a file by its user's name: none astray in a walk of the whole
// tree; the server's cwd is the same. (That latchd has no chdir symbol: tools/check-house.)
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Server } from './lib.mjs';
import { count, freely, inParallel } from './counts.mjs';

const USERS = count(60, { asan: 20, tsan: 20 });

function walk(dir, found = []) {
  for (const e of fs.readdirSync(dir, { withFileTypes: true })) {
    const p = path.join(dir, e.name);
    if (e.isDirectory()) walk(p, found);
    else found.push(p);
  }
  return found;
}

test(`01: ${USERS} users run at once, each file lands in its own user's folder`, async (t) => {
  const runs = count(20, { asan: 1, tsan: 1 });
  const server = await Server.start({ config: freely });
  t.after(() => server.destroy());
  const cwd = () => fs.readlinkSync(`/proc/${server.pid}/cwd`);
  const before = cwd();
  const users = [];
  await inParallel([...Array(USERS).keys()], 4, async (i) => users.push(await server.user(`user${i}`)));

  let ended = 0;
  await Promise.all(users.map(async (u) => {
    const c = await server.client(u);
    await c.request('fs.mkdir', { path: 'home/sub' });
    for (let r = 0; r < runs; r++) {
      const where = r % 2 === 0 ? 'home' : 'home/sub';
      const ch = await c.runProgram(`${where}/write${r}.py`,
        `import os\nopen(${JSON.stringify(`${u.name}-${r}.txt`)}, 'w').write(os.getcwd())\n`, { timeout: 120_000 });
      assert.equal(ch.exit.verdict, 'exited', ch.text);
      assert.equal(ch.exit.code, 0, ch.text);
      ended++;
    }
    assert.deepEqual(c.violations, []);
    await c.close();
  }));
  assert.equal(ended, USERS * runs);

  const written = walk(server.data).filter((p) => p.endsWith('.txt'));
  assert.equal(written.length, USERS * runs, 'every run wrote one file');
  for (const p of written) {
    const m = /\/users\/([^/]+)\/home\/(sub\/)?([^/-]+)-\d+\.txt$/.exec(p);
    assert.ok(m, `astray: ${p}`);
    assert.equal(m[1], m[3], `astray: ${p}`);
    assert.equal(fs.readFileSync(p, 'utf8'), m[2] ? '/work/home/sub' : '/work/home');
  }
  assert.equal(cwd(), before, 'the server stands where it stood');
});
