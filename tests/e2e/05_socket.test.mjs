// The socket's rules for text: one reply for each id, and the documented words for what is no request.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import WebSocket from 'ws';

import { slow, startServer, until } from './lib.mjs';

// A socket without any opinion: it keeps what comes.
class Raw {
  constructor(server, who) {
    this.texts = [];
    this.waiting = [];
    this.ws = new WebSocket(server.wsUrl, 'latch.v1', { headers: { authorization: `Bearer ${who.token}` } });
    this.ws.on('message', (data, binary) => {
      assert.ok(!binary);
      this.texts.push(JSON.parse(data.toString()));
      this.waiting.splice(0).forEach((f) => f());
    });
    this.ws.on('close', (code) => {
      this.code = code;
      this.waiting.splice(0).forEach((f) => f());
    });
  }

  until(condition, what) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${what}; ${JSON.stringify(this.texts.slice(-3))}`)), 20000 * slow);
      const look = () => {
        if (!condition())
          return this.waiting.push(look);
        clearTimeout(timer);
        resolve();
      };
      look();
    });
  }

  // Sends one text and gives the one text that comes back.
  async ask(text) {
    const n = this.texts.length;
    this.ws.send(text, { binary: false });
    await this.until(() => this.texts.length > n, `answer to ${String(text).slice(0, 200)}`);
    return this.texts[n];
  }

  async hello() {
    await this.until(() => this.texts.length > 0, 'hello');
    assert.equal(this.texts[0].method, 'hello');
    return this.texts.shift();
  }
}

async function rawClient(t, options) {
  const server = await startServer(t, options);
  const ann = await server.user('ann');
  const raw = new Raw(server, ann);
  t.after(() => raw.ws.terminate());
  const hello = await raw.hello();
  return { server, ann, raw, hello };
}

const request = (id, method, params) => JSON.stringify({ jsonrpc: '2.0', id, method, params });

test('hello says who one is and what the limits are', async (t) => {
  const { hello } = await rawClient(t);
  assert.deepEqual(Object.keys(hello.params).sort(), ['limits', 'protocol', 'server', 'user']);
  assert.equal(hello.params.protocol, 1);
  assert.match(hello.params.server, /^latchd\/\d+\.\d+\.\d+$/);
  assert.deepEqual(hello.params.user, { name: 'ann', role: 'student' });
  assert.ok(hello.params.limits.window_bytes >= 256 << 10);
  for (const key of ['message_bytes', 'input_bytes', 'viewers_per_session'])
    assert.ok(hello.params.limits[key] > 0, key);
});

test('ids come back as they were', async (t) => {
  const { raw } = await rawClient(t);
  for (const id of [1, 0, -5, 1.5, 'a', '', 'é "\\ \n', 9007199254740991]) {
    const r = await raw.ask(request(id, 'fs.list', { path: '' }));
    assert.equal(r.id, id);
    assert.ok(Array.isArray(r.result));
  }
  const r = await raw.ask('{"jsonrpc":"2.0","id":null,"method":"fs.list","params":{"path":""}}');
  assert.equal(r.id, null);
  assert.ok(r.result, 'an id of null is an id');
});

test('what is no request is answered with the right number', async (t) => {
  const { raw } = await rawClient(t);
  const rows = [
    ['', -32700, null],
    ['{', -32700, null],
    ['{"jsonrpc":"2.0","id":1,"method":"fs.list","params":{"path":""}} trailing', -32700, null],
    ['{"jsonrpc":"2.0","id":1,"id":1,"method":"fs.list"}', -32700, null],
    ['{"jsonrpc":"2.0","id":1,"method":"fs.list","params":{"path":"","path":""}}', -32700, null],
    ['{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', -32700, null],
    [`{"jsonrpc":"2.0","id":1,"method":"fs.list","params":${'['.repeat(100000)}`, -32700, null],
    ['[]', -32600, null],
    ['[{"jsonrpc":"2.0","id":1,"method":"fs.list"}]', -32600, null],
    ['7', -32600, null],
    ['{"jsonrpc":"1.0","id":3,"method":"fs.list"}', -32600, 3],
    ['{"jsonrpc":"2.0","id":3}', -32600, 3],
    ['{"jsonrpc":"2.0","id":{},"method":"fs.list"}', -32600, null],
    ['{"jsonrpc":"2.0","id":4,"method":"fs.nothing"}', -32601, 4],
    ['{"jsonrpc":"2.0","id":4,"method":"__proto__"}', -32601, 4],
    ['{"jsonrpc":"2.0","id":5,"method":"fs.list","params":[""]}', -32602, 5],
    ['{"jsonrpc":"2.0","id":5,"method":"fs.list","params":{}}', -32602, 5],
    ['{"jsonrpc":"2.0","id":5,"method":"fs.list","params":{"path":7}}', -32602, 5],
    ['{"jsonrpc":"2.0","id":5,"method":"fs.list","params":{"path":"","colour":1}}', -32602, 5],
    ['{"jsonrpc":"2.0","id":5,"method":"fs.list","params":{"path":"a\\u0000b"}}', -32602, 5],
    ['{"jsonrpc":"2.0","id":5,"method":"fs.list","params":{"path":"../x"}}', -32602, 5],
  ];
  for (const [text, code, id] of rows) {
    const r = await raw.ask(text);
    assert.equal(r.error?.code, code, `${text.slice(0, 200)}: ${JSON.stringify(r)}`);
    assert.equal(r.id, id, text.slice(0, 200));
    assert.ok(r.error.message.length > 0);
  }
  assert.ok((await raw.ask(request(9, 'fs.list', { path: '' }))).result, 'the socket still serves');
});

test('a notification is never answered', async (t) => {
  const { raw } = await rawClient(t);
  raw.ws.send('{"jsonrpc":"2.0","method":"fs.nothing"}');
  raw.ws.send('{"jsonrpc":"2.0","method":"fs.list","params":{"path":7}}');
  raw.ws.send('{"jsonrpc":"2.0","method":"session.ack","params":{"channel":99,"offset":5}}');
  raw.ws.send('{"jsonrpc":"2.0","method":"fs.mkdir","params":{"path":"home/quiet"}}');
  const r = await raw.ask(request(1, 'fs.list', { path: 'home' }));
  assert.equal(r.id, 1);
  await until(async () => {
    const made = await raw.ask(request(2, 'fs.stat', { path: 'home/quiet' }));
    assert.equal(made.id, 2);
    return made.result?.type === 'dir';
  }, { what: 'the folder that a notification made' });
});

test('every one of 3,000 spoiled frames gets its one reply', async (t) => {
  const seed = Number(process.env.LATCH_SEED ?? Date.now() % 1e9);
  t.diagnostic(`LATCH_SEED=${seed}`);
  let state = seed;
  const roll = (n) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) % n;
  };
  const { raw } = await rawClient(t);
  const params = ['{"path":""}', '{"path":"home"}', '{}', '[]', 'null', '{"path":"x","offset":-1}', '"a"', '{"path":{}}'];
  const methods = ['fs.list', 'fs.stat', 'fs.read', 'session.list', 'session.stop', 'nothing', 'session.ack'];
  const due = []; // ids; two spoiled frames may have the same
  let sent = 0;
  for (let i = 0; i < 3000; i++) {
    let text = `{"jsonrpc":"2.0","id":"${i}","method":"${methods[roll(methods.length)]}","params":${params[roll(params.length)]}}`;
    const at = roll(text.length);
    switch (roll(6)) {
    case 0: text = text.slice(0, at); break;
    case 1: text = text.slice(0, at) + String.fromCharCode(32 + roll(95)) + text.slice(at + 1); break;
    case 2: text = `${text}${text}`; break;
    case 3: text = `[${text}]`; break;
    default:
    }
    let parsed;
    try {
      parsed = JSON.parse(text);
    } catch { /* then there is one with id null */ }
    const silent = parsed && !Array.isArray(parsed) && typeof parsed === 'object' && !('id' in parsed)
      && parsed.jsonrpc === '2.0' && typeof parsed.method === 'string';
    raw.ws.send(text);
    if (!silent) {
      const object = parsed !== null && typeof parsed === 'object' && !Array.isArray(parsed);
      due.push(object && ['string', 'number'].includes(typeof parsed.id) ? String(parsed.id) : 'null');
      sent++;
    }
    if (i % 50 === 49)
      await raw.until(() => raw.texts.length >= sent, `${sent} replies; there are ${raw.texts.length}`);
  }
  const last = await raw.ask(request('last', 'fs.list', { path: '' }));
  assert.equal(last.id, 'last');
  assert.equal(raw.texts.length, sent + 1);
  assert.deepEqual(raw.texts.slice(0, -1).map((m) => String(m.id)).sort(), due.sort());
  for (const m of raw.texts)
    assert.ok(('result' in m) !== ('error' in m));
});

test('many requests at once: each is answered, by its result or by busy', async (t) => {
  const { raw } = await rawClient(t);
  for (let i = 0; i < 1000; i++)
    raw.ws.send(request(i, 'fs.list', { path: '' }));
  await raw.until(() => raw.texts.length >= 1000, '1,000 replies');
  assert.equal(new Set(raw.texts.map((m) => m.id)).size, 1000);
  for (const m of raw.texts)
    if (m.error) {
      assert.equal(m.error.data?.code, 'busy', JSON.stringify(m));
      assert.ok(m.error.data.retry_after_ms > 0);
    }
  assert.ok(raw.texts.some((m) => m.result));
});

test('a request that was received is carried out though its socket closes', async (t) => {
  const { server, ann, raw } = await rawClient(t);
  for (let i = 0; i < 20; i++)
    raw.ws.send(request(i, 'fs.write', { path: `home/f${i}`, data: 'x'.repeat(1000), encoding: 'utf8' }));
  raw.ws.close();
  await raw.until(() => raw.code, 'the close');
  const c = await server.client(ann);
  await until(async () => (await c.request('fs.list', { path: 'home' })).filter((f) => /^f\d+$/.test(f.name)).length === 20,
    { what: 'all 20 files' });
});

test('a message over the limit closes the socket with 1009', async (t) => {
  const { raw, hello } = await rawClient(t);
  raw.ws.send('x'.repeat(hello.params.limits.message_bytes + 1));
  await raw.until(() => raw.code, 'the close');
  assert.equal(raw.code, 1009);
});
