// docs/transcript.md, replayed line by line by a client that knows only PROTOCOL.md: nothing of the
// server's code, nothing of the other tests' client. It speaks through `ws` alone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import WebSocket from 'ws';
import { Server, slow } from './lib.mjs';

const transcript = readFileSync(new URL('../../docs/transcript.md', import.meta.url), 'utf8');
const [firstPart, secondPart] = transcript.split(/^A shell, the server killed/m);
const DEADLINE_MS = 20_000 * slow;

/** The conversation's lines: who speaks, and a JSON object or a binary frame. */
function parse(part) {
  const lines = [];
  for (const line of part.split('\n')) {
    const m = /^ {4}([CS]) {2}(.*)$/.exec(line);
    if (!m) continue;
    const [, who, what] = m;
    const frame = /^(\d\d) 000000 ([0-9a-f]{8}) ([0-9a-f]{16}) {2}(.*)$/.exec(what);
    if (frame) {
      const payload = frame[4].replace(/␠/g, ' ').replace(/\\r/g, '\r').replace(/\\n/g, '\n');
      lines.push({ who, header: Buffer.from(frame[1] + '000000' + frame[2] + frame[3], 'hex'), payload: Buffer.from(payload) });
    } else if (what.startsWith('{')) {
      lines.push({ who, json: JSON.parse(what) });
    }
  }
  return lines;
}

/** A socket whose text messages and bytes by channel can be awaited. */
class Wire {
  constructor(url, headers) {
    this.texts = [];
    this.bytes = Buffer.alloc(0); // output of channel 1, offsets checked
    this.offset = 0;
    this.waiting = [];
    this.ws = new WebSocket(url, 'latch.v1', { headers });
    this.ws.on('message', (data, binary) => {
      if (binary) this.onFrame(data);
      else this.texts.push(JSON.parse(data.toString()));
      for (const check of this.waiting.splice(0)) check();
    });
    this.opened = new Promise((ok, no) => { this.ws.once('open', ok); this.ws.once('error', no); });
    this.closed = new Promise((ok) => this.ws.once('close', (code) => ok(code)));
  }
  onFrame(data) {
    assert.equal(data[0], 1, 'kind output');
    assert.deepEqual([...data.subarray(1, 4)], [0, 0, 0]);
    assert.equal(data.readUInt32LE(4), 1, 'channel 1');
    assert.equal(Number(data.readBigUInt64LE(8)), this.offset, 'frames stand end to end');
    this.bytes = Buffer.concat([this.bytes, data.subarray(16)]);
    this.offset += data.length - 16;
  }
  until(what, condition) {
    return new Promise((ok, no) => {
      const timer = setTimeout(() => no(new Error(`no ${what} in ${DEADLINE_MS} ms; texts ${JSON.stringify(this.texts)}; bytes ${JSON.stringify(this.bytes.toString())}`)), DEADLINE_MS);
      const check = () => {
        const value = condition();
        if (value === undefined || value === false) { this.waiting.push(check); return; }
        clearTimeout(timer);
        ok(value);
      };
      check();
    });
  }
  /** Takes the first text that matches. */
  take(what, match) {
    return this.until(what, () => {
      const i = this.texts.findIndex(match);
      return i < 0 ? undefined : this.texts.splice(i, 1)[0];
    });
  }
}

/** Same shape and same values, but for what the page says differs from server to server. */
function assertLike(actual, expected, path = '') {
  if (expected !== null && typeof expected === 'object') {
    assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort(), `members of ${path || 'message'}`);
    for (const k of Object.keys(expected)) assertLike(actual[k], expected[k], `${path}.${k}`);
    return;
  }
  if (/\.session$/.test(path)) return assert.match(actual, /^[a-z0-9]{26}$/, path);
  if (/\.etag$/.test(path)) return assert.ok(typeof actual === 'string' && actual.length > 0, path);
  if (/\.server$/.test(path)) return assert.match(actual, /^latchd\/\d+\.\d+\.\d+$/, path);
  if (/\.usage\./.test(path)) return assert.ok(Number.isInteger(actual) && actual >= 0, `${path} = ${actual}`);
  assert.deepEqual(actual, expected, path);
}

const wsUrl = (server) => `ws://${server.host}:${server.port}/v1/ws`;
const matcher = (expected) => (m) => (expected.id !== undefined ? m.id === expected.id : m.method === expected.method);

test('the first conversation of docs/transcript.md, line by line', async (t) => {
  const server = await Server.start();
  t.after(() => server.destroy());
  const { token } = await server.user('ann');
  const wire = new Wire(wsUrl(server), { Authorization: `Bearer ${token}` });
  await wire.opened;

  const expectedBytes = [];
  let lines = 0;
  for (const line of parse(firstPart)) {
    lines++;
    if (line.who === 'C') {
      wire.ws.send(line.json ? JSON.stringify(line.json) : Buffer.concat([line.header, line.payload]));
    } else if (line.json) {
      assertLike(await wire.take(JSON.stringify(line.json), matcher(line.json)), line.json);
    } else {
      expectedBytes.push(line.payload);
      const all = Buffer.concat(expectedBytes);
      assert.equal(Number(line.header.readBigUInt64LE(8)) + line.payload.length, all.length, 'the page agrees with itself');
      await wire.until(`output up to ${all.length}`, () => wire.bytes.length >= all.length);
      assert.equal(wire.bytes.toString(), all.toString());
    }
  }
  assert.ok(lines >= 10, 'the page was read');
  assert.deepEqual(wire.texts, [], 'the server said nothing else');
  wire.ws.close(1000);
  assert.equal(await wire.closed, 1000);
});

test('the second conversation: a program outlives kill -9 of the server, and goes on at the very byte', async (t) => {
  assert.ok(secondPart, 'the page has a second conversation');
  const server = await Server.start();
  t.after(() => server.destroy());
  const { token } = await server.user('ann');
  const headers = { Authorization: `Bearer ${token}` };
  let wire = new Wire(wsUrl(server), headers);
  await wire.opened;
  const request = async (id, method, params) => {
    wire.ws.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    const reply = await wire.take(`reply ${id}`, (m) => m.id === id);
    assert.ok(reply.result, JSON.stringify(reply));
    return reply.result;
  };
  // Longer than a window: it cannot have ended before the kill.
  const program = 'import sys\nfor i in range(60000):\n    print("line", i)\nfor l in sys.stdin:\n    print("got", l.strip(), flush=True)\n';
  await request(1, 'fs.write', { path: 'home/long.py', data: program, encoding: 'utf8' });
  const opened = await request(3, 'session.open', { kind: 'run', path: 'home/long.py', cols: 80, rows: 24, client: 'tab-7' });
  const input = Buffer.from('seventeen bytes.\n');
  assert.equal(input.length, 17);
  const header = Buffer.alloc(16);
  header[0] = 2;
  header.writeUInt32LE(opened.channel, 4);
  wire.ws.send(Buffer.concat([header, input]));
  await wire.take('input_ack of 17', (m) => m.method === 'session.input_ack' && m.params.offset === 17);
  await wire.until('output', () => wire.offset > 60_000);
  wire.ws.send(JSON.stringify({ jsonrpc: '2.0', method: 'session.ack', params: { channel: opened.channel, offset: wire.offset } }));

  await server.stop('SIGKILL');
  await wire.closed;
  const { bytes, offset } = wire; // what has arrived is kept; more than was acknowledged may have
  await server.restart();

  wire = new Wire(wsUrl(server), headers);
  wire.offset = offset;
  await wire.opened;
  const again = await request(1, 'session.attach', { session: opened.session, since: offset, role: 'driver', cols: 80, rows: 24, client: 'tab-7' });
  assert.equal(again.channel, 1);
  assert.equal(again.offset, offset);
  assert.equal(again.replay, 'exact');
  assert.equal(again.input_offset, 17);
  assert.equal(again.driver, true);
  assert.ok(again.head >= offset);
  const acker = setInterval(() => wire.ws.send(JSON.stringify({ jsonrpc: '2.0', method: 'session.ack', params: { channel: 1, offset: wire.offset } })), 20);
  t.after(() => clearInterval(acker));
  await wire.until('the answer to the input', () => wire.bytes.includes('got seventeen bytes.'));
  const whole = Buffer.concat([bytes, wire.bytes]).toString();
  const numbers = [...whole.matchAll(/line (\d+)\r\n/g)].map((m) => Number(m[1]));
  assert.deepEqual(numbers, Array.from({ length: 60000 }, (_, i) => i), 'every line, once, in order');
  assert.equal(whole.match(/got seventeen bytes\./g).length, 1, 'input applied once');
  clearInterval(acker);
  assert.deepEqual(await request(2, 'session.close', { session: opened.session }), {});
  wire.ws.close(1000);
});
