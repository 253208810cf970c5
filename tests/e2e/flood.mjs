// flood.mjs - a program that puts out numbered lines as fast as it can and echoes each line that it hears, and
// clients that hold it to that: what the driver gets is the source, byte for byte, and what a viewer gets is the
// same but for the gaps that it was told.
//
//     const flood = await Flood.open(server, ann, { viewers: 3 });
//     const joined = flood.join(server, ann);  // each attaches where it was; settles when all have, or failed
//     flood.type();                            // one more line, if the driver is there
//     flood.take();                            // after the server has died: judges all that came since
//     await flood.finish();                    // the program ends: everything was told to everybody
import assert from 'node:assert/strict';

export const PATH = 'home/flood.py';
const LINE = 11; // N or E, nine digits, and a newline
const TYPED = 10; // the same without the letter
const SOURCE = `
import os, threading, tty
tty.setraw(0)
lock, over = threading.Lock(), threading.Event()
def say(data):
    with lock:
        while data: data = data[os.write(1, data):]
def hear():
    kept = b''
    while not over.is_set():
        kept += os.read(0, 65536)
        *lines, kept = kept.split(b'\\n')
        for line in lines:
            say(b'E' + line + b'\\n')
            if line == b'999999999': over.set()
threading.Thread(target=hear).start()
n = 0
while not over.is_set():
    say(b''.join(b'N%09d\\n' % i for i in range(n, n + 500)))
    n += 500
`;

// Pseudo-random numbers below n; the seed is printed, and taken from SEED.
export function dice(t, seed = Number(process.env.SEED ?? Date.now() % 1e6)) {
  t.diagnostic(`SEED=${seed}`);
  let x = seed * 2654435761 + 1;
  return (n) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return Math.floor((x / 2 ** 32) * n);
  };
}

// What one client has got, over all its sockets.
class Stream {
  constructor(name, role, lags = false) {
    this.lags = lags;
    this.name = name;
    this.role = role;
    this.next = 0;
    this.frames = [];
    this.bytes = 0;
    this.gaps = 0;
    this.gapBytes = 0;
  }

  async join(server, user, session) {
    this.client = undefined;
    this.channel = undefined;
    const c = await server.client(user, { client: this.name, autoAck: !this.lags });
    this.client = c;
    this.channel = await c.attach(session, { since: this.next, role: this.role });
    if (this.lags)
      this.lag(c, this.channel);
  }

  // It takes its time, so that the source runs away from it now and then.
  lag(c, ch) {
    const timer = setInterval(() => {
      if (c.end)
        clearInterval(timer);
      else if (ch.next > ch.acked)
        ch.ack();
    }, 15);
    timer.unref();
  }

  skipped(from, to) {
    assert.ok(to > from);
    this.gaps++;
    this.gapBytes += to - from;
  }

  // Moves here what its channel has, also if the reply to its attach was the last thing that came.
  take() {
    assert.deepEqual(this.client?.violations ?? [], [], this.name);
    const ch = [...(this.client?.channels.values() ?? [])].at(-1);
    if (!ch)
      return;
    if (ch.reply.replay === 'snapshot') { // of what it has not seen, which is gone: no driver's
      assert.equal(this.role, 'viewer');
      this.skipped(this.next, ch.first);
      ch.reply.replay = 'taken';
    } else if (ch.reply.replay === 'exact') {
      assert.equal(ch.first, this.next);
      ch.reply.replay = 'taken';
    }
    for (const f of ch.frames)
      this.bytes += f.data.length;
    this.frames.push(...ch.frames.splice(0));
    for (const g of ch.gaps.splice(0))
      this.skipped(g.from, g.to);
    this.next = ch.next;
    this.exit = ch.exit;
  }
}

export class Flood {
  static async open(server, user, { viewers = 3 } = {}) {
    const f = new Flood();
    f.driver = new Stream('the driver', 'driver');
    f.viewers = Array.from({ length: viewers }, (_, i) => new Stream(`viewer ${i}`, 'viewer', i > 0));
    f.all = [f.driver, ...f.viewers];
    f.typed = Buffer.alloc(0);
    f.kept = Buffer.alloc(0); // the driver's bytes from `base` on, which not all viewers have passed
    f.base = 0;
    f.rest = Buffer.alloc(0); // of the driver's bytes: a line that is not whole
    f.numbers = f.echoes = 0;
    const c = await server.client(user, { client: f.driver.name });
    await c.write(PATH, SOURCE);
    f.driver.client = c;
    f.driver.channel = await c.openSession({ kind: 'run', path: PATH, cols: 80, rows: 24 });
    f.session = f.driver.channel.session;
    await c.waitFor(() => f.driver.channel.next > 0, { what: 'output: its terminal is raw' });
    return f;
  }

  // Whoever has no channel comes. Resolves to the failures, of which there are none unless the server dies.
  async join(server, user) {
    const coming = this.all.filter((s) => !s.channel || s.client?.end);
    const results = await Promise.allSettled(coming.map(async (s) => {
      await s.join(server, user, this.session);
      if (s === this.driver) // what was not taken is sent again
        s.channel.input(this.typed.subarray(s.channel.reply.input_offset));
    }));
    return results.filter((r) => r.status === 'rejected').map((r) => r.reason);
  }

  // A line is typed, whether or not somebody is there to hear it: then it is sent by the next join.
  type(number = this.typed.length / TYPED) {
    const line = Buffer.from(`${String(number).padStart(9, '0')}\n`);
    this.typed = Buffer.concat([this.typed, line]);
    if (this.driver.channel && !this.driver.client.end)
      this.driver.channel.input(line);
  }

  take() {
    for (const s of this.all)
      s.take();
    const fresh = Buffer.concat(this.driver.frames.splice(0).map((f) => f.data));
    this.judgeSource(fresh);
    this.kept = Buffer.concat([this.kept, fresh]);
    for (const v of this.viewers)
      this.judgeViewer(v);
    const low = Math.min(this.driver.next, ...this.viewers.map((v) => v.frames[0]?.offset ?? v.next));
    this.kept = this.kept.subarray(Math.max(0, low - this.base));
    this.base = Math.max(low, this.base);
  }

  judgeSource(fresh) {
    assert.equal(this.driver.gaps, 0, 'the driver has no gap');
    const all = Buffer.concat([this.rest, fresh]);
    const whole = all.length - all.length % LINE;
    for (let at = 0; at < whole; at += LINE) {
      const line = all.toString('latin1', at, at + LINE);
      if (line[0] === 'N')
        assert.equal(line, `N${String(this.numbers++).padStart(9, '0')}\n`);
      else
        assert.equal(line, `E${this.typed.toString('latin1', this.echoes * TYPED, ++this.echoes * TYPED)}`);
    }
    this.rest = all.subarray(whole);
  }

  // What lies beyond the driver's last byte is judged once the driver has it.
  judgeViewer(v) {
    const end = this.base + this.kept.length;
    while (v.frames.length > 0 && v.frames[0].offset + v.frames[0].data.length <= end) {
      const { offset, data } = v.frames.shift();
      assert.ok(data.equals(this.kept.subarray(offset - this.base, offset - this.base + data.length)),
        `${v.name}: ${data.length} bytes at ${offset} are the source's`);
    }
  }

  // The program is told to end, and all of it is judged.
  async finish() {
    this.type(999999999);
    await Promise.all(this.all.map((s) => s.channel.waitExit({ timeout: 30000 })));
    this.take();
    for (const s of this.all)
      assert.equal(s.exit.verdict, 'exited');
    assert.equal(this.rest.length, 0);
    assert.equal(this.echoes * TYPED, this.typed.length, 'every line was echoed, once');
    for (const s of this.all) {
      assert.equal(s.exit.code, 0);
      assert.equal(s.frames.length, 0);
      assert.equal(s.exit.offset, this.driver.next);
      assert.equal(s.bytes + s.gapBytes, this.driver.next, `${s.name}: bytes and gaps are all there is`);
    }
  }
}
