// screen.mjs - what a terminal shows, by an emulator that is not ours (@xterm/headless), and whether two show the same.
import assert from 'node:assert/strict';

import headless from '@xterm/headless';

const HISTORY = 1000;

export const terminal = (cols, rows) => new headless.Terminal({ cols, rows, scrollback: HISTORY, allowProposedApi: true });
export const write = (term, data) => new Promise((resolve) => term.write(data, resolve));

// Colour 15 is colour 15, whether it was asked for as one of 16 or of 256.
const rgb = (is) => (is ? 'rgb' : '');

function line(buffer, y, cols) {
  const l = buffer.getLine(y), cells = [];
  for (let x = 0; x < cols; x++) {
    const c = l.getCell(x);
    const blank = !c.getChars().trim();
    const lines = [c.isUnderline(), c.isInverse(), c.isStrikethrough(), c.isOverline()].map((on) => (on ? 1 : 0)).join('');
    const flags = [c.isBold(), c.isDim(), c.isItalic(), c.isBlink(), c.isInvisible()].map((on) => (on ? 1 : 0)).join('');
    const fore = `${rgb(c.isFgRGB())}${c.getFgColor()}`, back = `${rgb(c.isBgRGB())}${c.getBgColor()}`;
    // Of nothing, and of a space, only this is seen.
    cells.push(blank ? ` |${c.getWidth()}|${back} ${lines}` : `${c.getChars()}|${c.getWidth()}|${fore} ${back} ${lines} ${flags}`);
  }
  while (cells.length && cells.at(-1) === ' |1|-1 0000')
    cells.pop();
  return cells;
}

export function picture(term) {
  const b = term.buffer.active, normal = term.buffer.normal;
  const screen = (buffer) => Array.from({ length: term.rows }, (_, y) => line(buffer, buffer.baseY + y, term.cols));
  return {
    type: b.type, cursor: [b.cursorX, b.cursorY], modes: { ...term.modes },
    screen: screen(b), main: screen(normal),
    history: Array.from({ length: Math.min(normal.baseY, 900) }, (_, i) => line(normal, normal.baseY - 1 - i, term.cols)),
  };
}

// The first difference only: a whole picture tells nobody anything.
export function same(wanted, got, what) {
  for (const key of ['type', 'cursor', 'modes'])
    assert.deepEqual(got[key], wanted[key], `${what}: ${key}`);
  for (const key of ['screen', 'main', 'history']) {
    assert.equal(got[key].length, wanted[key].length, `${what}: lines of ${key}`);
    wanted[key].forEach((l, y) => assert.equal(got[key][y].join('\n'), l.join('\n'), `${what}: ${key}, line ${y}`));
  }
}

// One that has seen nothing but this.
export async function drawn(cols, rows, ...pieces) {
  const term = terminal(cols, rows);
  for (const piece of pieces)
    await write(term, piece);
  return term;
}

/** An emulator that sees a channel's bytes as they come, from the first on. */
export class Follower {
  constructor(ch, cols, rows) {
    this.ch = ch;
    this.at = ch.first;
    this.term = terminal(cols, rows);
  }

  // Draws what came up to this offset. Earlier frames are forgotten: they would be put together again each time.
  async to(offset) {
    const { ch } = this;
    assert.ok(offset >= this.at && offset <= ch.next, `${offset} is not within ${this.at}..${ch.next}`);
    while (ch.frames.length > 0 && this.at < offset) {
      const { offset: from, data } = ch.frames[0];
      await write(this.term, data.subarray(this.at - from, offset - from));
      this.at = Math.min(offset, from + data.length);
      if (this.at === from + data.length)
        ch.frames.shift();
    }
    return this.term;
  }
}

// What asks a terminal for an answer.
export const QUERY = /\x1b(\[[0-9;?>=]*[cn]|\[[0-9;?]*\$p|\[[0-9;]*[tx]|\[>[0-9;]*q|\[\?[0-9;]*u|Z|P[$+]q|\][0-9;]*\?)|\x05/;

let comers = 0;

/** A viewer comes anew: its picture must be that of the follower, at the same byte. So must be, by then, the screen of
 * the one that came before, which leaves. */
export async function compare(client, follower, what) {
  const { ch, term: { cols, rows } } = follower;
  const late = await client.attach(ch.session, { role: 'viewer', client: `late ${++comers}` });
  assert.equal(late.reply.replay, 'snapshot', what);
  await client.waitFor(() => late.snapshots.length === 1, { what: 'a snapshot' });
  const [{ offset, data }] = late.snapshots;
  assert.equal(offset, late.reply.offset, what);
  assert.doesNotMatch(data.toString(), QUERY, what);
  await ch.client.waitFor(() => ch.next >= offset, { what: `byte ${offset}` });
  const wanted = picture(await follower.to(offset));
  const { earlier } = follower;
  follower.earlier = new Follower(late, cols, rows);
  follower.earlier.term = await drawn(cols, rows, data);
  same(wanted, picture(follower.earlier.term), what);
  if (!earlier)
    return;
  await client.waitFor(() => earlier.ch.next >= offset, { what: `byte ${offset} at the one before` });
  same(wanted, picture(await earlier.to(offset)), `${what}, the one before`);
  await client.request('session.detach', { channel: earlier.ch.number });
}
