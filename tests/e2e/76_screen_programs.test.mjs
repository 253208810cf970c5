// The screen of who attaches anew equals that of who never left, whatever program draws it, at random moments: cells,
// cursor, modes, both screens, what scrolled off. SEED= repeats one.
import { after, before, test } from 'node:test';

import { count } from './counts.mjs';
import { Server, until } from './lib.mjs';
import { compare, Follower } from './screen.mjs';

const MOMENTS = process.env.COUNT === 'full' ? 50 : count(8, { asan: 5, tsan: 2 });
const COLS = 70, ROWS = 20;
const seed = Number(process.env.SEED ?? 1);

function random(from) { // mulberry32
  let a = from;
  return (n) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

const TEXT = Array.from({ length: 300 }, (_, i) =>
  `line ${i} \x1b[3${i % 8}mof many\x1b[0m ${i % 7 === 0 ? '漢字かな e\u0301 ' : ''}${'word '.repeat(i % 23)}`).join('\n');
const PLAIN = TEXT.replace(/\x1b\[[0-9;]*m/g, '');

const COLOURS = String.raw`
import sys
print('ready', flush=True)
for n, line in enumerate(sys.stdin):
    w = sys.stdout.write
    if n % 5 == 0:
        for i in range(256): w('\x1b[48;5;%dm%3d\x1b[m%s' % (i, i, '\n' if i % 16 == 15 else ''))
    elif n % 5 == 1:
        for i in range(64): w('\x1b[38;2;%d;%d;%dm\x1b[48;2;%d;9;%dm#\x1b[m' % (i * 4, 255 - i, i, i, i * 3))
    elif n % 5 == 2:
        w('\x1b[?1049h\x1b[2J\x1b[5;12r\x1b[12;1H' + ''.join('in a region %d\n' % i for i in range(20)))
    elif n % 5 == 3:
        w('漢字 かな e\u0301o\u0308 ' * 12 + '\x1b[r\x1b[3;3H\x1b[2Lput in\x1b[?6h')
    else:
        w('\x1b[?6l\x1b[?1049l\x1b[4;9r\x1b[9;1H' + ''.join('scrolled %d\n' % i for i in range(9)) + '\x1b[r\x1b[20;1H')
    w('\r\n'); sys.stdout.flush()
`;

// What is run, and what is typed at it: any of these, at random.
const PROGRAMS = {
  vim: [['vim.tiny', '-N', '-u', 'NONE', '-n', 'plain'], [':set nu\r', 'ihello \x1b', 'oa line 漢字\x1b', 'dd', 'u', '\x06', '\x02', 'G', 'gg',
    '/word\r', 'n', ':split\r', '\x17w', '\x17o', '>>', 'J', ':set list!\r', ':set wrap!\r', 'V', '\x1b', '\x0c', 'zt', '\x04']],
  less: [['less', '-R', 'text'], [' ', 'b', 'j', 'k', '9j', 'G', 'g', '/word\r', 'n', 'N', '50p', '\x0c', '-S\r', '\x1b[C', '\x1b[D', 'd', 'u']],
  top: [['top', '-d', '0.3'], ['M', 'P', 'c', '1', 't', 'm', 'z', 'x', 'V', 'l', '\x0c', 'b', 'y']],
  python: [['python3', '-q'], ['1+1\r', "print('x' * 200)\r", 'for i in range(30): print(i)\r\r', '\x1b[A', '\x1b[A\x1b[A\r', "'漢字 e\u0301'\r", '\x01', '\x05',
    "print('\\x1b[31mred\\x1b[0m')\r", 'abc\x1b[D\x1b[Dx\x08\x08', '\x15\r', '\x0c', 'help(len)\r', '\x15no such\r']],
  tmux: [['tmux', '-f', '/dev/null', '-L', 'own', 'new-session', 'sh'], ['\x02%', '\x02"', '\x02o', 'ls /\r', 'seq 1 50\r', '\x02z', '\x02c', '\x02n', '\x02 ',
    'clear\r', 'printf "\\033[41mred 漢字\\033[m\\n"\r', '\x02[', 'q', '\x02\x1b[A', '\x02w', 'q', '\x02t', 'q']],
  nano: [['nano', '-R', 'plain'], ['\x16', '\x19', '\x1b[A', '\x1b[B', '\x05', '\x01', '\x17word\r', '\x0c', '\x1b\\', '\x1b/', '\x1bx', '\x1b#']],
  'colours, other screen, regions': [['python3', 'colours.py'], ['\r']],
};

let server, ann, c;
before(async () => {
  server = await Server.start();
  ann = await server.user('ann');
  c = await server.client(ann);
  await c.write('home/text', TEXT);
  await c.write('home/plain', PLAIN);
  await c.write('home/colours.py', COLOURS);
});
after(() => server.destroy());

for (const [name, [args, keys]] of Object.entries(PROGRAMS)) {
  test(name, async () => {
    const next = random(seed);
    const file = `home/start_${args[0]}_${args[1]}.py`; // one run of a file at a time
    await c.write(file, 'import os, sys\nos.execvp(sys.argv[1], sys.argv[1:])\n');
    const ch = await c.openSession({ kind: 'run', path: file, args, cols: COLS, rows: ROWS });
    const viewer = await server.client(ann);
    const follower = new Follower(ch, COLS, ROWS);
    await c.waitFor(() => ch.next > 0, { what: 'the program' });
    for (let i = 0; i < MOMENTS; i++) {
      const was = ch.next, typed = [];
      for (let n = 1 + next(3); n > 0; n--)
        typed.push(keys[next(keys.length)]);
      ch.input(typed.join(''));
      // At once, while it draws; or when some of it is there. Not every key draws.
      if (next(3) > 0)
        await until(() => ch.next > was, { timeout: 300 }).catch(() => {});
      await compare(viewer, follower, `seed ${seed}, moment ${i}, after ${JSON.stringify(typed)}`);
    }
    if (ch.exit)
      throw new Error(`${name} has ended: ${JSON.stringify(ch.exit)}`);
    await c.request('session.close', { session: ch.session });
    await viewer.close();
  });
}
