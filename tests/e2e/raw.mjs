// raw.mjs - a socket of bytes (/v1/attach): all that came, in order, and what pings tell of it: a gap { from, to }, a
// snapshot { offset, length }; `at`: ahead of which byte.
import WebSocket from 'ws';

import { until } from './lib.mjs';

export class Raw {
  static async open(server, who, session, query = '', options = {}) {
    const r = new Raw(server, who, session, query, options);
    await r.opened;
    return r;
  }

  constructor(server, who, session, query, { headers = {}, protocols = [] } = {}) {
    this.chunks = [];
    this.count = 0;
    this.gaps = [];
    this.snapshots = [];
    this.texts = 0;
    this.ws = new WebSocket(`ws://${server.host}:${server.port}/v1/attach/${session}${query}`, protocols, {
      headers: { ...(who ? { authorization: `Bearer ${who.token}` } : {}), ...headers },
      perMessageDeflate: false });
    this.ws.on('message', (data, binary) => {
      this.texts += !binary;
      this.chunks.push(data);
      this.count += data.length;
    });
    this.ws.on('ping', (data) => {
      const [, what, a, b] = /^(gap|snapshot) (\d+) (\d+)$/.exec(data.toString()) ?? [];
      if (what === 'gap') this.gaps.push({ from: Number(a), to: Number(b), at: this.count });
      if (what === 'snapshot') this.snapshots.push({ offset: Number(a), length: Number(b), at: this.count });
    });
    this.closed = new Promise((resolve) => this.ws.on('close', (code, reason) =>
      resolve((this.end = { code, reason: reason.toString() }))));
    this.opened = new Promise((resolve, reject) => {
      this.ws.on('open', resolve);
      this.ws.on('unexpected-response', (_, res) => {
        let body = '';
        res.on('data', (d) => (body += d));
        res.on('end', () => reject(Object.assign(new Error(`refused: ${res.statusCode} ${body}`),
          { status: res.statusCode, error: JSON.parse(body).error })));
      });
      this.ws.on('error', reject);
    });
  }

  get bytes() { return Buffer.concat(this.chunks); }
  get text() { return this.bytes.toString('utf8'); }
  type(data) { this.ws.send(data); }
  pause() { this.ws._socket.pause(); }
  resume() { this.ws._socket.resume(); }
  waitText(wanted) {
    return until(() => this.text.includes(wanted), { timeout: 15000, what: `${wanted}; it has ${JSON.stringify(this.text.slice(-500))}` });
  }
}
