// ACCEPTANCE 22: shell injection by path, name or content. There is no shell on the way; content is framed by
// length. 300 payloads as paths, names and contents: literal or refused, bytes equal, and nothing was executed.
// (That latchd has no system or popen symbol: tools/check-house.)
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { RpcError, Server } from './lib.mjs';
import { count, freely, inParallel } from './counts.mjs';

const commands = ['id > PWNED', 'touch PWNED', 'touch /tmp/PWNED', 'sleep 30'];
const frames = [
  (c) => `; ${c} #`, (c) => `$(${c})`, (c) => '`' + c + '`', (c) => `| ${c}`, (c) => `& ${c} &`, (c) => `&& ${c}`,
  (c) => `|| ${c}`, (c) => `\n${c}\n`, (c) => `'; ${c}; '`, (c) => `"; ${c}; "`, (c) => `\\"; ${c}; #`,
  (c) => `' ; ${c} #`, (c) => `\${IFS}${c}`, (c) => `<(${c})`, (c) => `%0a${c}`, (c) => `\r\n${c}`, (c) => `{${c},}`,
  (c) => `$'\\n'${c}`, (c) => `EOF\n${c}\nEOF`, (c) => `\u2028${c}`, (c) => `\x1b[201~${c}`, (c) => `a;${c};.py`,
  (c) => `~/.${c}`, (c) => `*?[a]${c}`, (c) => `-c ${c}`,
];
const payloads = commands.flatMap((c) => frames.map((f) => f(c)));

function everything(dir, found = []) {
  for (const e of fs.readdirSync(dir, { withFileTypes: true })) {
    found.push(path.join(dir, e.name));
    if (e.isDirectory()) everything(path.join(dir, e.name), found);
  }
  return found;
}

test('22: 300 payloads as names, contents and arguments are literal or refused', async (t) => {
  const server = await Server.start({ config: freely });
  t.after(() => server.destroy());
  const c = await server.client(await server.user('ann'));
  const total = count(payloads.length * 3, { asan: payloads.length, tsan: 60 });
  assert.ok(payloads.length * 3 >= 300);
  const some = payloads.slice(0, Math.ceil(total / 3));
  let literal = 0, refused = 0;
  const written = new Map();

  // As names: written, listed, read back, byte for byte; or refused with a reason.
  for (const p of some) {
    const name = `${p}.py`;
    const file = `home/${name}`;
    try {
      await c.write(file, p);
    } catch (e) {
      assert.ok(e instanceof RpcError && e.text.length > 0, `${file}: ${e}`);
      refused++;
      continue;
    }
    written.set(file, p);
    literal++;
  }
  // As contents: bytes equal.
  for (const [file, p] of written) {
    const r = await c.request('fs.read', { path: file });
    assert.equal(r.encoding, 'utf8');
    assert.equal(r.data, p);
  }
  // As names, contents and arguments of runs: the program gets them as they are.
  const echo = 'import sys, json\nopen("seen.txt", "a").write(json.dumps([sys.argv[0].rsplit("/", 1)[-1], sys.argv[1:]]) + "\\n")\n';
  const names = some.filter((p) => written.has(`home/${p}.py`) && !p.includes('/'));
  assert.ok(names.length > 10);
  await inParallel(names, 4, async (p) => {
    const ch = await c.runProgram(`home/${p}.py`, echo, { args: [p, '', 'plain'], timeout: 60_000 });
    assert.equal(ch.exit.code, 0, `${JSON.stringify(p)}: ${ch.text}`);
    literal += 2;
    await c.request('session.close', { session: ch.session });
  });
  const seen = (await c.request('fs.read', { path: 'home/seen.txt' })).data.trim().split('\n').sort();
  const expected = names.map((p) => JSON.stringify([`${p}.py`, [p, '', 'plain']]));
  assert.deepEqual(seen.map((l) => JSON.stringify(JSON.parse(l))).sort(), expected.sort());
  t.diagnostic(`${literal} literal, ${refused} refused`);

  const names2 = everything(server.data).map((p) => path.basename(p));
  assert.ok(!names2.includes('PWNED'), 'nothing was executed');
  assert.ok(!fs.existsSync('/tmp/PWNED'));
  assert.ok(!fs.existsSync(path.join(fs.readlinkSync(`/proc/${server.pid}/cwd`), 'PWNED')));
  assert.deepEqual(c.violations, []);
});
