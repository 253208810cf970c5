// client.mjs - a client of Latch that knows only PROTOCOL.md, and checks what it is told: every reply has
// a request, every byte an offset, every frame a channel that was opened. What is not right is kept in
// `violations` and makes the next wait fail.
import { randomBytes } from 'node:crypto';

import WebSocket from 'ws';

const slow = Number(process.env.LATCH_SLOW ?? 1);
const OUTPUT = 1, INPUT = 2, STDERR = 3, DISPLAY = 4, SNAPSHOT = 5;
const ACK_EVERY = 16 << 10; // well within the 32 KiB that the protocol asks for

export class RpcError extends Error {
  constructor(error, method) {
    super(`${method}: ${error.code} ${error.data?.code ?? ''} ${error.message}`);
    this.code = error.code;     // JSON-RPC's number
    this.name = 'RpcError';
    this.data = error.data;     // data.code: the wire's word
    this.word = error.data?.code;
    this.text = error.message;
  }
}

// One channel, as this client sees it.
export class Channel {
  constructor(client, number, session, offset) {
    this.client = client;
    this.number = number;
    this.session = session;
    this.first = offset;
    this.next = offset;   // where the next byte must stand
    this.acked = offset;  // told to the server
    this.frames = [];     // { kind, offset, data } of kinds 1, 3, 4
    this.snapshots = [];  // { offset, data }
    this.gaps = [];       // { from, to }
    this.exit = undefined; // params of session.exit
    this.inputSent = 0;   // bytes of input this key sent
    this.inputAcked = 0;
    this.pending = [];    // { offset, data } sent and not acknowledged
    this.refusals = [];   // params of session.input_refused
    this.reply = undefined; // of open or attach
    this.autoAck = client.autoAck;
  }

  bytes(...kinds) {
    return Buffer.concat(this.frames.filter((f) => kinds.includes(f.kind)).map((f) => f.data));
  }

  get out() {
    return this.bytes(OUTPUT);
  }

  get err() {
    return this.bytes(STDERR);
  }

  get all() {
    return this.bytes(OUTPUT, STDERR, DISPLAY);
  }

  get text() {
    return this.out.toString('utf8');
  }

  // Sent and not acknowledged: what lies in gaps was never sent.
  get inFlight() {
    const skipped = this.gaps.map((g) => Math.max(0, g.to - Math.max(g.from, this.acked)));
    return skipped.reduce((n, k) => n - k, this.next - this.acked);
  }

  ack(offset = this.next) {
    this.acked = offset;
    this.client.notify('session.ack', { channel: this.number, offset });
  }

  // Sends input behind what was sent before.
  input(data) {
    const bytes = Buffer.from(data);
    this.pending.push({ offset: this.inputSent, data: bytes });
    this.client.binary(INPUT, this.number, this.inputSent, bytes);
    this.inputSent += bytes.length;
  }

  // Sends again all that was not taken, from `offset` on (after a refusal).
  resendFrom(offset) {
    for (const p of this.pending) {
      const skip = Math.max(0, offset - p.offset);
      if (skip < p.data.length)
        this.client.binary(INPUT, this.number, p.offset + skip, p.data.subarray(skip));
    }
  }

  waitText(wanted, options = {}) {
    const test = typeof wanted === 'string' ? (t) => t.includes(wanted) : (t) => wanted.test(t);
    return this.client.waitFor(() => test(this.text), {
      what: () => `output ${wanted} of channel ${this.number}; it has ` +
        `${JSON.stringify(this.text.slice(-2000))} stderr ` +
        `${JSON.stringify(this.err.toString().slice(-500))} exit ${JSON.stringify(this.exit)}`,
      ...options,
    });
  }

  waitExit(options = {}) {
    return this.client.waitFor(() => this.exit, {
      what: () => `the exit of channel ${this.number}; it has ` +
        `${JSON.stringify(this.text.slice(-2000))}`,
      ...options,
    });
  }

  waitInputAcked(offset = this.inputSent, options = {}) {
    return this.client.waitFor(() => this.inputAcked >= offset,
      { what: () => `input to be taken up to ${offset}, it is at ${this.inputAcked}`, ...options });
  }
}

export class Client {
  // options: client (the key; default: a fresh one), autoAck (true), protocols, headers, origin, query.
  static async connect(url, token, options = {}) {
    const c = new Client(url, token, options);
    await c.opened;
    return c;
  }

  constructor(url, token, { autoAck = true, headers = {}, origin, protocols = ['latch.v1'], client,
    query = '', timeout = 10000, maxPayload } = {}) {
    this.autoAck = autoAck;
    this.key = client ?? randomBytes(8).toString('hex');
    this.nextId = 1;
    this.waiting = new Map();   // id -> { resolve, reject, method, timer }
    this.notifications = [];    // { method, params }
    this.channels = new Map();
    this.violations = [];
    this.strays = [];           // replies with id null
    this.watchers = new Set();
    this.hello = undefined;
    this.ws = new WebSocket(url + query, protocols, {
      headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
      origin,
      perMessageDeflate: false,
      maxPayload,
    });
    this.closed = new Promise((resolve) => {
      this.ws.on('close', (code, reason) => {
        this.end = { code, reason: reason.toString() };
        this.fail(new Error(`the socket is closed: ${code} ${reason}`));
        resolve(this.end);
        this.changed();
      });
    });
    this.ws.on('message', (data, binary) => {
      if (binary)
        this.onBinary(data);
      else
        this.onText(data.toString('utf8'));
      this.changed();
    });
    this.opened = this.open(timeout);
  }

  // A refused upgrade rejects with an error that has .status, .body and .headers.
  open(timeout) {
    return new Promise((resolve, reject) => {
      this.ws.on('unexpected-response', (req, res) => {
        let body = '';
        res.on('data', (d) => (body += d));
        res.on('end', () => reject(Object.assign(
          new Error(`the upgrade was refused: ${res.statusCode} ${body}`),
          { status: res.statusCode, body, headers: res.headers })));
        res.on('error', reject);
      });
      this.ws.on('error', reject);
      this.waitFor(() => this.hello, { timeout, what: 'hello' }).then(() => resolve(this), reject);
    });
  }

  fail(error) {
    for (const w of this.waiting.values()) {
      clearTimeout(w.timer);
      w.reject(error);
    }
    this.waiting.clear();
  }

  violation(text) {
    this.violations.push(text);
  }

  changed() {
    for (const w of [...this.watchers])
      w();
  }

  // Resolves with the first truthy value of condition(), asked again after each message. Rejects past the
  // deadline, on a violation of the protocol, and (but with `closing`) when the socket closes.
  waitFor(condition, { timeout = 10000, what = 'a message', closing = false } = {}) {
    return new Promise((resolve, reject) => {
      const say = () => (typeof what === 'function' ? what() : what);
      const done = (f, value) => {
        clearTimeout(timer);
        this.watchers.delete(look);
        f(value);
      };
      const look = () => {
        if (this.violations.length > 0)
          return done(reject, new Error(`violation: ${this.violations.join('; ')}`));
        const value = condition();
        if (value)
          return done(resolve, value);
        if (this.end && !closing)
          done(reject, new Error(`closed (${this.end.code} ${this.end.reason}) ` +
            `while waiting for ${say()}`));
      };
      const timer = setTimeout(() => done(reject,
        new Error(`waited ${timeout * slow} ms in vain for ${say()}`)), timeout * slow);
      this.watchers.add(look);
      look();
    });
  }

  onText(text) {
    let m;
    try {
      m = JSON.parse(text);
    } catch {
      return this.violation(`not JSON: ${text.slice(0, 200)}`);
    }
    if (m.jsonrpc !== '2.0')
      return this.violation(`not JSON-RPC: ${text.slice(0, 200)}`);
    if (!this.hello && m.method !== 'hello')
      this.violation(`before hello: ${text.slice(0, 200)}`);
    if (m.method !== undefined)
      return this.onNotification(m);
    if (m.id === null)
      return this.strays.push(m);
    const w = this.waiting.get(m.id);
    if (!w)
      return this.violation(`a reply that nothing asked for: ${text.slice(0, 200)}`);
    this.waiting.delete(m.id);
    clearTimeout(w.timer);
    if (('result' in m) === ('error' in m))
      this.violation(`neither or both of result and error: ${text.slice(0, 200)}`);
    if (m.error)
      return w.reject(new RpcError(m.error, w.method));
    w.accept?.(m.result);
    w.resolve(m.result);
  }

  onNotification({ method, params }) {
    if (method === 'hello') {
      if (this.hello)
        this.violation('a second hello');
      this.hello = params;
      return;
    }
    this.notifications.push({ method, params });
    const ch = this.channels.get(params?.channel);
    if (params?.channel !== undefined && !ch)
      return this.violation(`${method} of channel ${params.channel}, which is not open`);
    switch (method) {
    case 'session.gap':
      if (params.from !== ch.next || params.to <= params.from)
        this.violation(`a gap ${params.from}..${params.to} at ${ch.next}`);
      ch.gaps.push({ from: params.from, to: params.to });
      ch.next = params.to;
      break;
    case 'session.exit':
      if (ch.exit)
        this.violation(`a second exit on channel ${ch.number}`);
      if (params.offset !== ch.next)
        this.violation(`exit at ${params.offset}, the channel has ${ch.next}`);
      ch.exit = params;
      break;
    case 'session.input_ack':
      if (params.offset < ch.inputAcked || params.offset > ch.inputSent)
        this.violation(`input_ack ${params.offset} of ${ch.inputSent}`);
      ch.inputAcked = params.offset;
      ch.pending = ch.pending.filter((p) => p.offset + p.data.length > params.offset);
      break;
    case 'session.input_refused':
      ch.refusals.push(params);
      break;
    default:
    }
  }

  onBinary(data) {
    if (data.length < 16)
      return this.violation(`a binary frame of ${data.length} bytes`);
    const kind = data[0], number = data.readUInt32LE(4);
    const offset = Number(data.readBigUInt64LE(8));
    const payload = data.subarray(16);
    const ch = this.channels.get(number);
    if (data[1] || data[2] || data[3])
      this.violation('bytes 1-3 are not zero');
    if (!ch)
      return this.violation(`a frame of channel ${number}, which is not open`);
    if (ch.exit)
      this.violation(`output after the exit of channel ${number}`);
    if (kind === SNAPSHOT) {
      ch.snapshots.push({ offset, data: payload });
      ch.next = offset;
      return undefined;
    }
    if (![OUTPUT, STDERR, DISPLAY].includes(kind))
      return this.violation(`a frame of kind ${kind}`);
    if (offset !== ch.next)
      this.violation(`channel ${number}: bytes at ${offset}, ${ch.next} was next`);
    if (payload.length === 0)
      this.violation('an empty output frame');
    ch.frames.push({ kind, offset, data: payload });
    ch.next = offset + payload.length;
    const window = this.hello.limits.window_bytes;
    if (ch.inFlight > window)
      this.violation(`${ch.inFlight} bytes beyond the last ack, the window is ${window}`);
    if (ch.autoAck)
      this.soonAck(ch);
    return undefined;
  }

  // At once when much came, else once what is in the socket was read.
  soonAck(ch) {
    if (ch.next - ch.acked >= ACK_EVERY)
      return ch.ack();
    if (!ch.ackSoon)
      ch.ackSoon = setImmediate(() => {
        ch.ackSoon = undefined;
        if (ch.next > ch.acked && !this.end)
          ch.ack();
      });
  }

  raw(text) {
    this.ws.send(text);
  }

  notify(method, params) {
    if (this.ws.readyState === WebSocket.OPEN)
      this.raw(JSON.stringify({ jsonrpc: '2.0', method, params }));
  }

  binary(kind, channel, offset, payload) {
    const head = Buffer.alloc(16);
    head[0] = kind;
    head.writeUInt32LE(channel, 4);
    head.writeBigUInt64LE(BigInt(offset), 8);
    this.ws.send(Buffer.concat([head, payload]));
  }

  // Resolves with the result, rejects with an RpcError.
  request(method, params, { timeout = 15000, accept } = {}) {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      if (this.ws.readyState !== WebSocket.OPEN)
        return reject(new Error(`${method}: the socket is closed: ${this.end?.code} ${this.end?.reason}`));
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new Error(`no reply to ${method} within ${timeout * slow} ms`));
      }, timeout * slow);
      this.waiting.set(id, { resolve, reject, method, timer, accept });
      this.raw(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    });
  }

  // The channel must be known before its first frame, which may come in the very next message: hence accept.
  async openSession(params, options = {}) {
    let ch;
    await this.request('session.open', { client: this.key, ...params }, {
      ...options,
      accept: (r) => {
        ch = new Channel(this, r.channel, r.session, r.offset);
        ch.reply = r;
        this.addChannel(ch);
      },
    });
    return ch;
  }

  async attach(session, params = {}) {
    let ch;
    await this.request('session.attach', { session, client: this.key, ...params }, {
      accept: (r) => {
        ch = new Channel(this, r.channel, session, r.offset);
        ch.inputSent = ch.inputAcked = r.input_offset;
        ch.reply = r;
        this.addChannel(ch);
      },
    });
    return ch;
  }

  addChannel(ch) {
    if (this.channels.has(ch.number))
      this.violation(`channel ${ch.number} is used twice`);
    this.channels.set(ch.number, ch);
  }

  write(path, data) {
    return this.request('fs.write', { path, data, encoding: 'utf8' });
  }

  // Writes a program, runs it, gives its input, waits for its end: the channel.
  async runProgram(path, source, { input, timeout, ...params } = {}) {
    if (source !== undefined)
      await this.write(path, source);
    const ch = await this.openSession({ kind: 'run', path, cols: 80, rows: 24, ...params });
    if (input !== undefined)
      ch.input(input);
    await ch.waitExit({ timeout });
    return ch;
  }

  waitNotification(method, test = () => true, options = {}) {
    return this.waitFor(() => this.notifications.find((n) => n.method === method && test(n.params))?.params,
      { what: `notification ${method}`, ...options });
  }

  // Ends cleanly: { code, reason }.
  async close(code = 1000) {
    this.ws.close(code);
    return this.closed;
  }

  terminate() {
    this.ws.terminate();
  }
}
