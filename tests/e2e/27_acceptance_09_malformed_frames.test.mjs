// ACCEPTANCE 9: whatever is sent on /v1/ws is answered, once for each id, or the socket ends with the code
// that is documented. Frames are malformed, truncated, nested, doubled; LATCH_SEED repeats a run.
// also under tsan
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BINARY, CLOSE, CONT, PING, PONG, TEXT, closeFrame, frame, openSocket } from './conformance/wire.mjs';
import { count, inParallel } from './counts.mjs';
import { startServer } from './lib.mjs';

const FRAMES = process.env.COUNT === 'full' ? 1_000_000 : count(20_000, { asan: 20_000, tsan: 2_000 });
const SOCKETS = 8, BATCH = 100; // a socket may have 128 requests under way
const seed = Number(process.env.LATCH_SEED ?? Date.now() % 1e9);
const mask = Buffer.from([1, 2, 3, 4]);

// Numbers from 0 to n - 1, the same for each seed (mulberry32).
function dice(state) {
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

const methods = ['fs.list', 'fs.stat', 'fs.read', 'session.list', 'session.stop', 'session.ack', 'nothing', '__proto__', '', 'fs.list\\u0000', 'é'];
// (No number that one more digit would make too large: JSON.parse calls it Infinity, the server no JSON.)
const params = ['{"path":""}', '{"path":"home"}', '{"path":"../x"}', '{"path":"a\\u0000b"}', '{}', '[]', 'null', '"a"', '7', '{"path":{}}',
  '{"path":"x","offset":-1}', '{"path":"x","colour":1}', '{"session":"x"}', '{"channel":1e30,"offset":1}'];
const good = (roll, id) => `{"jsonrpc":"2.0","id":"${id}","method":"${methods[roll(methods.length)]}","params":${params[roll(params.length)]}}`;
const nested = (n) => '['.repeat(n) + ']'.repeat(n);

// What reply is due to a text that JSON.parse understands as the server does: an id, null, or undefined (none).
function due(text) {
  let m;
  try {
    m = JSON.parse(text);
  } catch {
    return null;
  }
  if (m === null || typeof m !== 'object' || Array.isArray(m))
    return null;
  if (!('id' in m))
    return m.jsonrpc === '2.0' && typeof m.method === 'string' ? undefined : null;
  return ['string', 'number'].includes(typeof m.id) ? m.id : null;
}

// One text and the id of its reply.
function spoiled(roll, id) {
  const text = good(roll, id), at = 1 + roll(text.length - 1);
  switch (roll(12)) {
  case 0: return [text.slice(0, at), null];
  case 1: {
    const other = text.slice(0, at) + String.fromCharCode(32 + roll(95)) + text.slice(at + 1);
    return [other, due(other)];
  }
  case 2: return [text + text.slice(0, at), null];
  case 3: return [`[${text}]`, null];
  case 4: return [`{"jsonrpc":"2.0","id":"${id}","id":"${id}","method":"fs.list","params":{"path":""}}`, null];
  case 5: return [`{"jsonrpc":"2.0","id":"${id}","method":"fs.list","params":{"path":"","path":""}}`, null];
  case 6: return [`{"jsonrpc":"2.0","id":"${id}","method":"fs.list","params":${nested(65 + roll(2000))}}`, null];
  case 7: return [`{"jsonrpc":"2.0","id":"${id}","method":"fs.list","params":{"path":${nested(1 + roll(30))}}}`, id];
  case 8: return [`{"jsonrpc":"2.0","id":"${id}","method":"\\ud800","params":{}}`, null];
  case 9: return [['', ' ', '7', 'null', '"x"', '[]', '{}', 'true', '{"id":1}x', '\u2028', '-', '{"a":1e999}'][roll(12)], null];
  default: return [text, id];
  }
}

const bearer = (who) => [`Authorization: Bearer ${who.token}`, 'Sec-WebSocket-Protocol: latch.v1'];

async function ready(server, who) {
  const w = await openSocket(server, '/v1/ws', bearer(who));
  const hello = JSON.parse((await w.frame()).data);
  assert.equal(hello.method, 'hello');
  return w;
}

const keyOf = (id) => (id === null ? 'null' : `${typeof id} ${id}`);

// Sends one batch, in pieces of any size, and takes exactly the replies that are due.
async function batch(w, texts, roll) {
  const expected = new Map();
  let n = 0;
  for (const [, id] of texts) {
    if (id === undefined)
      continue;
    n++;
    expected.set(keyOf(id), (expected.get(keyOf(id)) ?? 0) + 1);
  }
  const bytes = Buffer.concat(texts.flatMap(([text]) => {
    const data = Buffer.from(text), at = roll(data.length + 1);
    return roll(4) ? [frame(TEXT, data, { mask })]
      : [frame(TEXT, data.subarray(0, at), { mask, fin: false }), frame(PONG, '', { mask }), frame(CONT, data.subarray(at), { mask })];
  }));
  await w.send(bytes, roll(2) ? 0 : 1 + roll(bytes.length));
  while (n > 0) {
    const f = await w.frame();
    assert.equal(f?.opcode, TEXT, `a reply is missing: ${[...expected].filter(([, k]) => k > 0).slice(0, 5)}; ${f?.code} ${f?.reason}`);
    const m = JSON.parse(f.data), key = keyOf(m.id);
    assert.ok(('result' in m) !== ('error' in m), f.data.toString());
    assert.ok(expected.get(key) > 0, `nothing asked for ${f.data.toString().slice(0, 200)}`);
    expected.set(key, expected.get(key) - 1);
    n--;
  }
}

test(`each of ${FRAMES} frames gets its one reply`, async (t) => {
  t.diagnostic(`LATCH_SEED=${seed}`);
  const server = await startServer(t, { config: { limits: { requests_per_minute: 100000000 } } });
  const ann = await server.user('ann');
  await inParallel([...Array(SOCKETS).keys()], SOCKETS, async (nth) => {
    const roll = dice(seed + nth), w = await ready(server, ann);
    t.after(() => w.destroy());
    for (let i = 0; i < FRAMES / SOCKETS; i += BATCH)
      await batch(w, Array.from({ length: BATCH }, (_, k) => spoiled(roll, `${nth}.${i + k}`)), roll);
    await batch(w, [[good(() => 0, 'last'), 'last']], roll); // nothing more was on its way before it
  });
});

// A frame that ends the socket, and the code.
function fatal(roll) {
  const text = Buffer.from('{"jsonrpc":"2.0","id":"x","method":"fs.list","params":{"path":"é"}}'), at = 1 + roll(text.length - 1);
  const input = Buffer.alloc(17);
  input[0] = 2;
  input[4] = 1;
  switch (roll(12)) {
  case 0: return [frame(TEXT, text, { mask: null }), 1002];
  case 1: return [frame(TEXT, text, { rsv: 1 + roll(7) }), 1002];
  case 2: return [frame([3, 4, 5, 6, 7, 11, 12, 13, 14, 15][roll(10)], text.subarray(0, 100)), 1002];
  case 3: return [frame(TEXT, Buffer.concat([text.subarray(0, 10), Buffer.from([0x80 + roll(0x40)]), text])), 1007];
  case 4: return [frame(TEXT, Buffer.from([0x61, 0xc3])), 1007];
  case 5: return [frame(BINARY, input.subarray(0, roll(16))), 1003];
  case 6: return [frame(BINARY, Buffer.concat([Buffer.from([2, 1 + roll(255)]), input.subarray(2)])), 1003];
  case 7: return [frame(BINARY, Buffer.concat([Buffer.from([3 + roll(250)]), input.subarray(1)])), 1003];
  case 8: return [frame(TEXT, '', { declared: BigInt(1048577 + roll(1e9)) }), 1009];
  case 9: return [closeFrame([0, 999, 1004, 1005, 1006, 1015, 2999, 5000][roll(8)]), 1002];
  case 10: return [frame([PING, PONG, CLOSE][roll(3)], Buffer.alloc(126 + roll(100))), 1002];
  default: return [Buffer.concat([frame(TEXT, text.subarray(0, at), { fin: false }), frame(TEXT, text)]), 1002];
  }
}

test('what breaks the protocol ends the socket with its code, and what came before is answered once', async (t) => {
  t.diagnostic(`LATCH_SEED=${seed}`);
  const server = await startServer(t, { config: { limits: { requests_per_minute: 100000000, address_requests_per_minute: 100000000 } } });
  const ann = await server.user('ann');
  await inParallel([...Array(Math.min(2000, FRAMES / 100)).keys()], SOCKETS, async (nth) => {
    const roll = dice(seed + 1000 + nth), w = await ready(server, ann);
    const [bytes, code] = fatal(roll), n = roll(4), seen = new Set();
    await w.send(Buffer.concat([...Array.from({ length: n }, (_, k) => frame(TEXT, good(roll, k))), bytes]), roll(3) ? 0 : 1 + roll(20));
    for (;;) {
      const f = await w.frame();
      assert.ok(f, `an end without a close frame, ${code} was due to ${bytes.toString('hex').slice(0, 60)}`);
      if (f.opcode === CLOSE) {
        assert.equal(f.code, code, `${f.reason}; ${bytes.toString('hex').slice(0, 60)}`);
        await w.send(closeFrame(code));
        break;
      }
      const { id } = JSON.parse(f.data);
      assert.ok(id === null || (Number(id) < n && !seen.has(id)), `a reply to ${id}`);
      seen.add(id);
    }
    assert.equal(await w.frame(), undefined, 'nothing follows the close frame');
    w.destroy();
  });
});

test('bytes without any sense end the socket, or nothing comes of them', async (t) => {
  t.diagnostic(`LATCH_SEED=${seed}`);
  const server = await startServer(t, { config: { limits: { address_requests_per_minute: 100000000, requests_per_minute: 100000000 } } });
  const ann = await server.user('ann');
  await inParallel([...Array(Math.min(2000, FRAMES / 100)).keys()], SOCKETS, async (nth) => {
    const roll = dice(seed + 2000000 + nth), w = await ready(server, ann);
    await w.send(Buffer.from(Array.from({ length: 1 + roll(64) }, () => roll(256))));
    w.socket.end();
    for (let f; (f = await w.frame());)
      if (f.opcode === CLOSE)
        assert.ok([1000, 1002, 1003, 1007, 1009].includes(f.code) || (f.code >= 3000 && f.code < 5000), `${f.code} ${f.reason}`);
    w.destroy();
  });
  const c = await server.client(ann);
  assert.ok(await c.request('fs.list', { path: '' }), 'the server is well');
});
