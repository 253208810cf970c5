// handshakes.mjs - RFC 6455 4.2.1: what begins a WebSocket and what does not. A row: what is asked, the
// status, and a pattern for the head or the body of the answer.
import { KEY, acceptOf } from './wire.mjs';

const usual = { method: 'GET', version: 'HTTP/1.1', host: true, connection: 'Upgrade', upgrade: 'websocket', number: '13', key: KEY, more: [] };
const line = (name, value) => (value === undefined || value === null ? [] : [`${name}: ${value}`]);

export function request(server, path, row) {
  const r = { ...usual, ...row };
  const n = r.names ?? ((name) => name);
  return [`${r.method} ${path} ${r.version}`, ...(r.host ? line(n('Host'), `${server.host}:${server.port}`) : []),
    ...line(n('Connection'), r.connection), ...line(n('Upgrade'), r.upgrade), ...line(n('Sec-WebSocket-Version'), r.number),
    ...line(n('Sec-WebSocket-Key'), r.key), ...r.more, '', ''].join('\r\n');
}

const accept = new RegExp(`^Sec-WebSocket-Accept: ${acceptOf(KEY).replace(/[+/=]/g, '\\$&')}\\r$`, 'mi');
const opens = (name, row, match = accept) => ({ name, row, status: 101, match });
const fails = (status, name, row, match = /"error":\{"code":"/) => ({ name, row, status, match });

export const handshakes = [
  opens('the usual one', {}),
  opens('a key of zeros', { key: 'AAAAAAAAAAAAAAAAAAAAAA==' }, new RegExp(acceptOf('AAAAAAAAAAAAAAAAAAAAAA==').replace(/[+/=]/g, '\\$&'))),
  opens('headers in capitals', { names: (n) => n.toUpperCase() }),
  opens('headers in small letters', { names: (n) => n.toLowerCase() }),
  opens('headers in odd cases', { names: (n) => [...n].map((c, i) => (i % 2 ? c.toUpperCase() : c.toLowerCase())).join('') }),
  opens('values in odd cases', { connection: 'uPgRaDe', upgrade: 'WebSocket' }),
  opens('Connection is a list', { connection: 'keep-alive, Upgrade' }),
  opens('Connection is a list without spaces', { connection: 'Upgrade,keep-alive' }),
  opens('Upgrade is a list', { upgrade: 'websocket, h2c' }),
  opens('an Origin', { more: ['Origin: http://elsewhere.example'] }),
  opens('a cookie', { more: ['Cookie: a=b'] }),
  opens('no space behind the colons', { more: ['X-A:b'] }),
  opens('a query', { query: '?a=b' }),
  opens('the subprotocol is not chosen twice', { more: ['Sec-WebSocket-Protocol: a, latch.v1', 'Sec-WebSocket-Protocol: latch.v1'] },
    /^(?=[^]*Sec-WebSocket-Protocol: latch\.v1\r)(?![^]*Sec-WebSocket-Protocol[^]*Sec-WebSocket-Protocol)/),
  opens('several headers of subprotocols', { more: ['Sec-WebSocket-Protocol: a', 'Sec-WebSocket-Protocol: latch.v1', 'Sec-WebSocket-Protocol: b'] },
    /Sec-WebSocket-Protocol: latch\.v1\r/),
  opens('only subprotocols that are not known', { more: ['Sec-WebSocket-Protocol: a, b'] }, /^(?![^]*Sec-WebSocket-Protocol)/),
  ...['permessage-deflate', 'permessage-deflate; client_max_window_bits', 'x-webkit-deflate-frame', 'a; b="c, d", e']
    .map((offer) => opens(`the extension ${offer} is not agreed to`, { more: [`Sec-WebSocket-Extensions: ${offer}`] }, /^(?![^]*Sec-WebSocket-Extensions)/)),
  fails(400, 'no key', { key: null }),
  fails(400, 'an empty key', { key: '' }),
  fails(400, 'a key of 15 bytes', { key: 'dGhlIHNhbXBsZSBub25j' }),
  fails(400, 'a key of 17 bytes', { key: 'dGhlIHNhbXBsZSBub25jZWE=' }),
  fails(400, 'a key that is no base64', { key: 'dGhlIHNhbXBsZSBub25jZ!==' }),
  fails(400, 'a key without its padding', { key: 'dGhlIHNhbXBsZSBub25jZQ' }),
  fails(400, 'a key of 63 characters', { key: 'A'.repeat(63) }),
  fails(400, 'a key of 64 characters', { key: 'A'.repeat(64) }),
  fails(400, 'a key of 4,000 characters', { key: 'A'.repeat(4000) }),
  fails(400, 'two keys', { more: [`Sec-WebSocket-Key: ${KEY}`] }),
  fails(426, 'no version', { number: null }, /Sec-WebSocket-Version: 13\r/),
  ...['0', '7', '8', '12', '14', '013', '13, 8', '-13', 'x'].map((number) => fails(426, `version ${number}`, { number }, /Sec-WebSocket-Version: 13\r/)),
  fails(400, 'two versions', { more: ['Sec-WebSocket-Version: 8'] }),
  fails(426, 'no Upgrade', { upgrade: null }),
  fails(426, 'Upgrade to something else', { upgrade: 'h2c' }),
  fails(400, 'Upgrade to something that begins alike', { upgrade: 'websockets' }),
  fails(426, 'no Connection', { connection: null }),
  fails(426, 'Connection says something else', { connection: 'keep-alive' }),
  fails(400, 'Connection says something that begins alike', { connection: 'upgrades' }),
  fails(400, 'no Host', { host: false }),
  fails(400, 'two Hosts', { more: ['Host: elsewhere.example'] }),
  fails(400, 'two Origins', { more: ['Origin: http://a.example', 'Origin: http://b.example'] }),
  fails(505, 'HTTP/1.0', { version: 'HTTP/1.0' }),
  fails(505, 'HTTP/2.0', { version: 'HTTP/2.0' }),
  fails(400, 'no version of HTTP', { version: 'HTTP' }),
  ...['POST', 'PUT', 'DELETE'].map((method) => fails(400, method, { method })),
  fails(400, 'HEAD, whose answer has no body', { method: 'HEAD' }, /\r\n\r\n$/),
  fails(501, 'CONNECT', { method: 'CONNECT' }),
  fails(400, 'a body', { more: ['Content-Length: 5'] }),
  fails(411, 'a chunked body', { more: ['Transfer-Encoding: chunked'] }),
  fails(400, 'frames before the 101', { behind: Buffer.from('818100000000', 'hex') }, /wait for the 101/),
];

// What cannot be as RFC 6455 or RFC 9112 would have it, because civetweb makes it impossible, and what
// happens instead. docs/protocol.md has each of these sentences.
export const impossible = [
  'what it sends between the request and the 101 is lost, and frames that come together with the request are 400',
  'a tab in a header is 400',
  'An empty line before the request is 400',
  'no extension is agreed to',
];
