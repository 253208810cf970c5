// wire.mjs - a WebSocket as bytes: every frame can be spelled wrongly, and is sent in pieces of any size.
import { createHash, randomBytes } from 'node:crypto';
import net from 'node:net';

import { slow } from '../lib.mjs';

export const CONT = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10;

const WAIT_MS = 10000 * slow;
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

// One frame. fin, rsv (0-7), mask (4 bytes; null: not masked), form: how the length is spelled (0: in the
// second byte, 2 or 8 bytes behind it), declared: a length that is not the payload's.
export function frame(opcode, payload = '', { fin = true, rsv = 0, mask = randomBytes(4), form, declared } = {}) {
  const data = Buffer.from(payload);
  const n = declared ?? BigInt(data.length);
  const bytes = form ?? (n < 126n ? 0 : n < 65536n ? 2 : 8);
  const head = Buffer.alloc(2 + bytes);
  head[0] = (fin ? 0x80 : 0) | rsv << 4 | opcode;
  head[1] = (mask ? 0x80 : 0) | (bytes === 0 ? Number(n) : bytes === 2 ? 126 : 127);
  if (bytes === 2)
    head.writeUInt16BE(Number(n), 2);
  if (bytes === 8)
    head.writeBigUInt64BE(n, 2);
  if (!mask)
    return Buffer.concat([head, data]);
  const masked = Buffer.alloc(data.length);
  for (let i = 0; i < data.length; i++)
    masked[i] = data[i] ^ mask[i & 3];
  return Buffer.concat([head, mask, masked]);
}

// A message in frames of at most `size` bytes.
export function fragments(opcode, payload, size) {
  const data = Buffer.from(payload), frames = [];
  for (let at = 0; at === 0 || at < data.length; at += size)
    frames.push(frame(at === 0 ? opcode : CONT, data.subarray(at, at + size), { fin: at + size >= data.length }));
  return frames;
}

export function closeFrame(code, reason = '') {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return frame(CLOSE, Buffer.concat([head, Buffer.from(reason)]));
}

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
export const acceptOf = (key) => createHash('sha1').update(key + GUID).digest('base64');

// A bare connection: what it sends it sends at once, what comes is kept until it is asked for.
export class Wire {
  static connect(server) {
    return new Promise((resolve, reject) => {
      const w = new Wire(net.connect(server.port, server.host));
      w.socket.once('connect', () => resolve(w));
      w.socket.once('error', reject);
    });
  }

  constructor(socket) {
    this.socket = socket.setNoDelay(true);
    this.bytes = Buffer.alloc(0);
    this.counted = undefined; // a number: what comes is counted and thrown away
    this.ended = false;
    this.waiting = [];
    const look = () => this.waiting.splice(0).forEach((f) => f());
    socket.on('data', (d) => {
      if (this.counted === undefined)
        this.bytes = Buffer.concat([this.bytes, d]);
      else
        this.counted += d.length;
      look();
    });
    const end = () => {
      this.ended = true;
      look();
    };
    socket.on('error', end).on('close', end).on('end', end);
  }

  // In pieces of `chop` bytes, each handed to the system before the next; 0: all at once.
  async send(bytes, chop = 0) {
    for (let at = 0; at < bytes.length && !this.socket.destroyed; at += chop || bytes.length) {
      const piece = bytes.subarray(at, at + (chop || bytes.length));
      await new Promise((resolve) => this.socket.write(piece, resolve));
    }
  }

  until(condition, what) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${what} in ${WAIT_MS} ms; there is ${this.bytes.subarray(0, 200).toString('latin1')}`)), WAIT_MS);
      const look = () => {
        if (!condition() && !this.ended)
          return this.waiting.push(look);
        clearTimeout(timer);
        return resolve(condition());
      };
      look();
    });
  }

  take(n) {
    const taken = this.bytes.subarray(0, n);
    this.bytes = this.bytes.subarray(n);
    return taken;
  }

  // { status, head, body }, of an answer that ends its connection; of a 101 the head alone.
  async answer() {
    await this.until(() => this.bytes.includes('\r\n\r\n'), 'answer');
    const end = this.bytes.indexOf('\r\n\r\n');
    if (end < 0)
      return { status: 0, head: '', body: this.bytes.toString('latin1') };
    const head = this.take(end + 4).toString('latin1');
    const status = Number(head.slice(9, 12));
    if (status === 101)
      return { status, head, body: '' };
    await this.until(() => false, 'end of the connection');
    return { status, head, body: this.bytes.toString('utf8') };
  }

  // The server's next frame: { opcode, data, code, reason }, or undefined at the end. It must be well made.
  async frame() {
    await this.until(() => this.frameSize() <= this.bytes.length, 'frame');
    if (this.frameSize() > this.bytes.length)
      return undefined;
    const size = this.frameSize();
    const n = this.payload();
    const [first, second] = this.bytes;
    const data = this.take(size).subarray(size - n);
    if ((first & 0xf0) !== 0x80 || second & 0x80)
      throw new Error(`a frame begins with ${first.toString(16)} ${second.toString(16)}`);
    const opcode = first & 0x0f;
    if (opcode !== CLOSE)
      return { opcode, data };
    return { opcode, data, code: n ? data.readUInt16BE(0) : undefined, reason: data.subarray(2).toString() };
  }

  payload() {
    const short = this.bytes[1] & 0x7f;
    return short < 126 ? short : short === 126 ? this.bytes.readUInt16BE(2) : Number(this.bytes.readBigUInt64BE(2));
  }

  frameSize() {
    if (this.bytes.length < 2)
      return Infinity;
    const head = { 126: 4, 127: 10 }[this.bytes[1] & 0x7f] ?? 2;
    return this.bytes.length < head ? Infinity : head + this.payload();
  }

  destroy() {
    this.socket.destroy();
  }
}

export const upgradeHead = (server, path, lines = []) => `GET ${path} HTTP/1.1\r\nHost: ${server.host}:${server.port}\r\n` +
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  `Sec-WebSocket-Key: ${KEY}\r\n${lines.map((l) => `${l}\r\n`).join('')}\r\n`;

// An open WebSocket.
export async function openSocket(server, path = '/v1/echo', lines = []) {
  const w = await Wire.connect(server);
  await w.send(Buffer.from(upgradeHead(server, path, lines)));
  const { status, body } = await w.answer();
  if (status !== 101)
    throw new Error(`the upgrade was answered ${status} ${body}`);
  return w;
}
