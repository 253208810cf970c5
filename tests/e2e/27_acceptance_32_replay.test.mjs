// Row 32: replay types nothing into the program. Terminals here answer what they are asked, as a browser's does: what
// lies below `head` is drawn without an answer, and a snapshot asks nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { count } from './counts.mjs';
import { Server, until } from './lib.mjs';
import { QUERY, terminal } from './screen.mjs';

const COMERS = process.env.COUNT === 'full' ? 60 : count(12, { asan: 6, tsan: 3 });
const COLS = 80, ROWS = 24;

let server, ann;
before(async () => {
  server = await Server.start();
  ann = await server.user('ann');
});
after(() => server.destroy());

// A terminal on a channel: draws all that comes, and types its answers.
class Answering {
  constructor(ch, head) {
    this.ch = ch;
    this.head = head;
    this.drawn = ch.first;
    this.snapshots = 0;
    this.answers = [];
    this.term = terminal(COLS, ROWS);
    this.term.onData((data) => {
      if (this.past) return;
      this.answers.push(data);
      ch.input(data);
    });
  }

  static async attach(server, who, session, params) {
    const c = await server.client(who);
    const ch = await c.attach(session, { role: 'driver', ...params });
    return new Answering(ch, ch.reply.head);
  }

  async write(data, past) {
    this.past = past;
    await new Promise((resolve) => this.term.write(data, resolve));
    this.past = false;
  }

  // Draws what has come.
  async draw() {
    for (const { data } of this.ch.snapshots.slice(this.snapshots))
      await this.write(data, false); // whatever it asks would be answered
    this.snapshots = this.ch.snapshots.length;
    while (this.ch.frames.length > 0) {
      const { offset, data } = this.ch.frames.shift();
      const old = Math.max(0, Math.min(data.length, this.head - offset));
      await this.write(data.subarray(0, old), true);
      await this.write(data.subarray(old), false);
      this.drawn = offset + data.length;
    }
  }

  async drawUntil(done, what) {
    await until(async () => {
      await this.draw();
      return done(this);
    }, { what, timeout: 20000 }).catch((e) => assert.fail(`${e.message}; it shows ${JSON.stringify(this.lines)}`));
  }

  get lines() {
    const b = this.term.buffer.active;
    return Array.from({ length: b.length }, (_, y) => b.getLine(y).translateToString(true));
  }

  shows(text) {
    return this.lines.some((l) => l.includes(text));
  }
}

test('a query in the history reaches the program\'s answerer once', async () => {
  const c = await server.client(ann);
  // Asks once, and shows at each line how many bytes it has read in all, but for the lines' own.
  await c.write('home/asks.py', `import os, sys, termios, tty
tty.setraw(0)
os.write(1, b'before \\x1b[c\\x1b[>c\\x1b[6n\\x1b[5n\\x1b[?1$p after\\r\\n')
n = lines = 0
while True:
    for b in os.read(0, 4096):
        if b == 10:
            lines += 1
            os.write(1, b'line %d: %d bytes\\r\\n' % (lines, n))
        else:
            n += 1
`);
  const ch = await c.openSession({ kind: 'run', path: 'home/asks.py', cols: COLS, rows: ROWS });
  const first = new Answering(ch, 0);
  await first.drawUntil((t) => t.answers.length >= 4, 'the answers');
  const typed = first.answers.join('').length;
  ch.input('\n');
  await first.drawUntil((t) => t.shows(`line 1: ${typed} bytes`), 'the count');
  for (let i = 0; i < COMERS; i++) {
    // Anew with a snapshot; with every byte again; and the one that left.
    const params = [{}, { since: 0 }, { since: ch.next }][i % 3];
    const t = await Answering.attach(server, ann, ch.session, { client: `comer ${i}`, ...params });
    await t.drawUntil(() => t.drawn >= t.head && (t.ch.reply.replay === 'exact' || t.snapshots === 1), 'what is old');
    for (const s of t.ch.snapshots)
      assert.doesNotMatch(s.data.toString(), QUERY);
    t.ch.input('\n');
    await t.drawUntil(() => t.shows(`line ${i + 2}:`), 'a line');
    assert.ok(t.shows(`line ${i + 2}: ${typed} bytes`), `${i}: the program read something else`);
    assert.deepEqual(t.answers, []);
    await t.ch.client.close();
  }
});

test('back in a shell after vim and less, no stray byte', async () => {
  const c = await server.client(ann);
  await c.write('home/text', Array.from({ length: 200 }, (_, i) => `line ${i}`).join('\n'));
  const ch = await c.openSession({ kind: 'shell', cols: COLS, rows: ROWS, env: { PS1: '$ ' } });
  let t = new Answering(ch, 0);
  for (const [i, [start, shown, end]] of [['vim.tiny -N -u NONE -n text', 'line 9', ':q!\r'], ['less text', 'line 9', 'q'],
    ["printf 'x\\033[c\\033[6n\\n'; read -rs -n 12 -t 5", 'x', '']].entries()) {
    const before = t.answers.length;
    t.ch.input(`clear; ${start}\r`);
    await t.drawUntil(() => t.shows(shown) && (end || t.answers.length > before), start);
    for (const params of [{}, { since: 0 }, {}]) {
      const next = await Answering.attach(server, ann, ch.session, { client: `back ${i}`, ...params });
      await next.drawUntil(() => next.drawn >= next.head && next.shows(shown), `the screen of ${start}`);
      assert.deepEqual(next.answers, []);
      if (t.ch !== ch)
        await t.ch.client.close();
      t = next;
    }
    if (end) t.ch.input(end);
    await t.drawUntil(() => t.lines.some((l) => /^\S*\$ /.test(l)), 'the prompt');
    // All that cat reads, it shows: only what is typed here.
    t.ch.input(`clear; echo $((6*7))ready; cat -A\r`);
    await t.drawUntil(() => t.shows('42ready'), 'the shell');
    t.ch.input('only\r\x04');
    await t.drawUntil(() => t.shows('only$'), 'cat');
    const at = t.lines.indexOf('42ready');
    assert.deepEqual(t.lines.slice(at, at + 3), ['42ready', 'only', 'only$'], start);
  }
  await c.request('session.close', { session: ch.session });
});
