// Who attaches to a terminal when its bytes are gone, or asks for none of them, is given its picture: an emulator that
// draws it (@xterm/headless) has the same cells, cursor and modes as one that has seen every byte.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count } from './counts.mjs';
import { startServer, until } from './lib.mjs';
import { Raw } from './raw.mjs';
import { compare, drawn, Follower, picture, same } from './screen.mjs';

const COLS = 60, ROWS = 16;
const STEPS = process.env.COUNT === 'full' ? 50 : count(12, { asan: 6, tsan: 3 });

// Writes at random what editors and pagers write, a piece at each line of input, and ends each with a mark.
const PROGRAM = String.raw`
import random, sys
seed = int(sys.argv[1])
r = random.Random(seed)
W = ['plain text', 'a longer line of text that is likely to go beyond the last column of it',
     'wide 漢字かな', 'combined e\u0301o\u0308', 'x' * 60, '\t tab', 'q' * 120]
def colour():
    return r.choice(['\x1b[%dm' % r.choice([0, 1, 2, 3, 4, 7, 9, 21, 22, 23, 24, 27, 29, 31, 42, 95, 103, 39, 49, 53, 55]),
        '\x1b[38;5;%dm' % r.randrange(256), '\x1b[48;5;%dm' % r.randrange(256), '\x1b[4:%dm' % r.randrange(6),
        '\x1b[38;2;%d;%d;%dm' % (r.randrange(256), r.randrange(256), r.randrange(256)), '\x1b[48:2::9:8:%dm' % r.randrange(256), '\x1b[m'])
def move():
    return r.choice(['\x1b[%d;%dH' % (r.randrange(1, 18), r.randrange(1, 64)), '\r\n', '\r\n', '\n', '\r', '\b', '\x1b[%dA' % r.randrange(5),
        '\x1b[%dB' % r.randrange(5), '\x1b[%dC' % r.randrange(9), '\x1b[%dD' % r.randrange(9), '\x1bM', '\x1bD', '\x1bE', '\x1b[%dG' % r.randrange(1, 60), '\x1b[%dd' % r.randrange(1, 17)])
def erase():
    return r.choice(['\x1b[K', '\b\x1b[1K', '\r\x1b[2K', '\x1b[J', '\b\x1b[1J', '\x1b[%dX' % r.randrange(1, 9), '\x1b[%dP' % r.randrange(1, 5),
        '\x1b[%d@' % r.randrange(1, 5), '\x1b[%dL' % r.randrange(1, 4), '\x1b[%dM' % r.randrange(1, 4), '\x1b[2S', '\x1b[T'])
def mode():
    return r.choice(['\x1b[?1049h', '\x1b[?1049l', '\x1b[?1h', '\x1b[?1l', '\x1b=', '\x1b>', '\x1b[?2004h', '\x1b[?2004l', '\x1b[?1000h', '\x1b[?1003h',
        '\x1b[?1000l', '\x1b[?1006h', '\x1b[?1004h', '\x1b[?1004l', '\x1b[?25l', '\x1b[?25h', '\x1b[3;12r', '\x1b[r', '\x1b[4h', '\x1b[4l',
        '\x1b(0', '\x1b(B', '\x1b]2;title %d\x07' % r.randrange(99), '\x1b[c', '\x1b[6n'])
step = 0
for line in sys.stdin:
    out = []
    for i in range(r.randrange(1, 40)):
        f = r.choices([lambda: r.choice(W), colour, move, erase, mode], [6, 4, 5, 2, 1])[0]
        out.append(f())
    if line.startswith('flood'):
        out.append('\x1b[?1049l\x1b[r\x1b[m' + ''.join('line %d of many\r\n' % i for i in range(40000)))
    step += 1
    sys.stdout.buffer.write((''.join(out) + '\x1b]7;done %d\x07' % step).encode())
    sys.stdout.buffer.flush()
`;

async function prepare(t) {
  const server = await startServer(t, { config: { session: { ring_bytes: 524288 } } });
  const ann = await server.user('ann');
  const c = await server.client(ann);
  await c.write('home/draw.py', PROGRAM);
  return { server, ann, c };
}

const opened = (c, seed) =>
  c.openSession({ kind: 'run', path: 'home/draw.py', args: [String(seed)], cols: COLS, rows: ROWS });

// One more line of input, and all that it makes the program write.
async function step(ch, n, word = '') {
  let seen = '';
  ch.input(`${word}\n`);
  await ch.client.waitFor(() => {
    seen = Buffer.concat(ch.frames.slice(-3).map((f) => f.data)).toString();
    return seen.includes(`\x1b]7;done ${n}\x07`);
  }, { timeout: 30000, what: `step ${n}` });
}

const seed = Number(process.env.SEED ?? 3);

test('a picture equals the screen of one that has seen all', async (t) => {
  const { server, ann, c } = await prepare(t);
  const ch = await opened(c, seed);
  const follower = new Follower(ch, COLS, ROWS);
  const viewer = await server.client(ann);
  for (let i = 1; i <= STEPS; i++) {
    await step(ch, i);
    await compare(viewer, follower, `seed ${seed}, step ${i}`);
  }
});

test('who comes back when its bytes are gone has the picture, and then every byte', async (t) => {
  const { server, ann, c } = await prepare(t);
  const ch = await opened(c, seed);
  const follower = new Follower(ch, COLS, ROWS);
  const viewer = await server.client(ann);
  await step(ch, 1);
  const left = ch.next;
  const kept = await viewer.attach(ch.session, { role: 'viewer', since: left, client: 'kept' });
  assert.equal(kept.reply.replay, 'exact');
  await viewer.request('session.detach', { channel: kept.number });
  await step(ch, 2, 'flood'); // more than the ring holds
  for (const since of [0, left]) {
    const back = await viewer.attach(ch.session, { role: 'viewer', since, client: `back ${since}` });
    assert.equal(back.reply.replay, 'snapshot');
    assert.equal(back.reply.offset, ch.next);
    await viewer.waitFor(() => back.snapshots.length === 1, { what: 'a snapshot' });
    await follower.to(ch.next);
    const term = await drawn(COLS, ROWS, back.snapshots[0].data);
    same(picture(follower.term), picture(term), `since ${since}`);
    // It lives on as any other.
    const more = new Follower(back, COLS, ROWS);
    more.term = term;
    await step(ch, since === 0 ? 3 : 4);
    await viewer.waitFor(() => back.next === ch.next, { what: 'what was written then' });
    same(picture(await follower.to(ch.next)), picture(await more.to(ch.next)), `since ${since}, and on`);
    assert.deepEqual(back.gaps, []);
  }
});

test('a raw socket has the picture behind a reset, told by a ping', async (t) => {
  const { server, ann, c } = await prepare(t);
  const ch = await opened(c, seed);
  const follower = new Follower(ch, COLS, ROWS);
  await step(ch, 1);
  await step(ch, 2, 'flood');
  for (const [i, query] of ['?role=viewer', '?role=viewer&since=0'].entries()) {
    const raw = await Raw.open(server, ann, ch.session, query);
    await until(() => raw.snapshots.length === 1 && raw.count >= raw.snapshots[0].length, { what: 'a snapshot' });
    const [{ offset, length, at }] = raw.snapshots;
    assert.equal(offset, ch.next);
    assert.equal(at, 0);
    assert.equal(raw.bytes.subarray(0, 2).toString(), '\x1bc');
    assert.equal(raw.count, length);
    await step(ch, 3 + i);
    await until(() => raw.count - length === ch.next - offset, { what: 'what was written then' });
    // What stood in the terminal before does not matter.
    const term = await drawn(COLS, ROWS, 'of another\x1b[3;9r\x1b[?1049h\x1b[41mtime', raw.bytes);
    same(picture(await follower.to(ch.next)), picture(term), query);
    assert.deepEqual(raw.gaps, []);
    raw.ws.close(1000);
    await raw.closed;
  }
});
