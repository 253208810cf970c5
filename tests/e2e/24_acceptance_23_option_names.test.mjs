// ACCEPTANCE 23: a file name executed as an option or a command. Programs start from argv arrays; files named
// like options, modules or command lines are run as plain files.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server } from './lib.mjs';

const names = ["a' ; id #.py", '-c.py', '-m.py', '-c', '-m', '-', '--help', '--version', '-i.py', '$(id).py', '`id`.py',
  'a b.py', 'a\tb.py', 'a\nb.py', '"q".py', 'os.py', 'json.py', '*.py', '~.py', '%s%n.py', 'ü€𝄞.py', '.py', '..py', '-W error.py'];

test('23: files named like options and commands run as plain files', async (t) => {
  const server = await Server.start({ config: { limits: { runs_per_minute: 1000 } } });
  t.after(() => server.destroy());
  const c = await server.client(await server.user('ann'));
  for (const [i, name] of names.entries()) {
    const file = `home/${name}`;
    const ch = await c.runProgram(file, `import sys\nprint("plain ${i}", ascii(sys.argv[0].rsplit("/", 1)[-1]), sys.argv[1:])\n`,
      { args: ['-c', '--', 'x'], language: 'python' });
    const m = new RegExp(`^plain ${i} (.*) \\['-c', '--', 'x'\\]\\r\\n$`).exec(ch.text);
    assert.ok(m, `${JSON.stringify(name)}: ${JSON.stringify(ch.text)} ${JSON.stringify(ch.exit)}`);
    assert.equal(ch.exit.code, 0);
    await c.request('session.close', { session: ch.session });
  }
  assert.deepEqual(c.violations, []);
});

test('23: the same of shell scripts', async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const c = await server.client(await server.user('ann'));
  for (const name of ['-c.sh', "a' ; id #.sh", '--rcfile.sh', '$(id).sh']) {
    const ch = await c.runProgram(`home/${name}`, 'echo plain "$#" "$1"\n', { args: ['-c', 'b'] });
    assert.equal(ch.text, 'plain 2 -c\r\n', name);
    assert.equal(ch.exit.code, 0);
  }
});
