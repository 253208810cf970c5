// Requests that two servers in a row could read differently. Each is refused with an answer, its connection
// ends, and what was smuggled behind it (the end of a canary file) is never carried out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Wire, upgradeHead } from './conformance/wire.mjs';
import { inParallel } from './counts.mjs';
import { Server, slow } from './lib.mjs';

let server, ann, host;
before(async () => {
  server = await Server.start({ config: { diagnostics: { echo: 'yes' } } });
  ann = await server.user('ann');
  host = `Host: ${server.host}:${server.port}`;
});
after(() => server?.destroy());

const put = (path) => server.fetch(`/api/files/${path}`, { method: 'PUT', token: ann, body: 'alive' });
const lines = (...all) => `${all.join('\r\n')}\r\n\r\n`;
const auth = () => `Authorization: Bearer ${ann.token}`;
const get = (...more) => lines('GET /api/me HTTP/1.1', host, auth(), ...more);
const post = (...more) => lines('POST /api/files/home/x HTTP/1.1', host, auth(), ...more);
const many = (n) => Array.from({ length: n }, (_, i) => `X-${i}: y`);

// name, what is sent (the canary's end behind it), the status
const forms = () => [
  ['Transfer-Encoding with Content-Length', post('Content-Length: 4', 'Transfer-Encoding: chunked'), 400],
  ['Content-Length with Transfer-Encoding', post('Transfer-Encoding: chunked', 'Content-Length: 4'), 400],
  ['Transfer-Encoding: identity with Content-Length', post('Content-Length: 0', 'Transfer-Encoding: identity'), 400],
  ['a chunked body', `${post('Transfer-Encoding: chunked')}0\r\n\r\n`, 411],
  ['a chunked body on a GET', `${get('Transfer-Encoding: chunked')}0\r\n\r\n`, 411],
  ['two Transfer-Encodings', post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity'), 400],
  ...['xchunked', 'chunked, identity', 'gzip, chunked', '"chunked"', 'Chunked', ' chunked', 'chunked '].map((v) => [`Transfer-Encoding: ${v}`, post(`Transfer-Encoding: ${v}`), [400, 411]]),
  ['Transfer-Encoding with a tab', post('Transfer-Encoding:\tchunked'), 400],
  ['Transfer-Encoding with a vertical tab', post('Transfer-Encoding: \x0bchunked'), 400],
  ['Transfer-Encoding behind a NUL', post('X: a\0', 'Transfer-Encoding: chunked'), 400],
  ['Transfer-Encoding in a folded line', post('X: a', ' Transfer-Encoding: chunked'), 400],
  ['Transfer-Encoding behind a bare line feed', post('X: a\nTransfer-Encoding: chunked'), 400],
  ['Transfer-Encoding behind a bare return', post('X: a\rTransfer-Encoding: chunked'), 400],
  ['Transfer-Encoding with a space before the colon', post('Transfer-Encoding : chunked'), 400],
  ['Transfer-Encoding with a tab before the colon', post('Transfer-Encoding\t: chunked'), 400],
  ['Transfer_Encoding beyond the 63rd header', post(...many(62), 'Content-Length: 0', 'Transfer-Encoding: chunked'), 431],
  ['two equal Content-Lengths', post('Content-Length: 0', 'Content-Length: 0'), 400],
  ['two Content-Lengths', post('Content-Length: 0', 'Content-Length: 4'), 400],
  ['two Content-Lengths in one', post('Content-Length: 0, 0'), 400],
  ...['+0', '-0', '-1', '0x0', '0 0', ' ', '0a', 'a', '0.0', '1e1', '٠', '0;', '"0"', '99999999999999999999', '18446744073709551616']
    .map((v) => [`Content-Length: ${v}`, post(`Content-Length: ${v}`), [400, 411]]),
  ['Content-Length with a space before the colon', post('Content-Length : 0'), 400],
  ['Content-Length in a folded line', post('Content-Length:', ' 0'), 400],
  ['Content-Length behind a folded line', post('X: a', '\tb', 'Content-Length: 0'), 400],
  ['a first header that is folded', lines('GET /api/me HTTP/1.1', ` ${host}`), 400],
  ['bare line feeds', get().replaceAll('\r\n', '\n'), 400],
  ['a bare line feed behind the first line', get().replace('\r\n', '\n'), 400],
  ['a bare line feed behind a header', get('X: y').replace('y\r\n', 'y\n'), 400],
  ['an end of bare line feeds', get().replace('\r\n\r\n', '\r\n\n'), 400],
  ['a bare line feed at the end', get().replace('\r\n\r\n', '\n\r\n'), 400],
  ['two returns', get('X: y').replace('y\r\n', 'y\r\r\n'), 400],
  ['a return inside a header', get('X: a\rb'), 400],
  ['a NUL in a header', get('X: a\0b'), 400],
  ['a NUL in a name', get('X\0: a'), 400],
  ...[1, 7, 8, 9, 11, 12, 14, 27, 31, 127].map((c) => [`control character ${c} in a header`, get(`X: a${String.fromCharCode(c)}b`), 400]),
  ['a header without a colon', get('Nothing'), 400],
  ['a header without a name', get(': x'), 400],
  ['a name with a space', get('X Y: z'), 400],
  ['a name with an at', get('X@Y: z'), 400],
  ['a name with a byte above 127', get('X\xff: z'), 400],
  ['64 headers', get(...many(62)), 431],
  ['200 headers', get(...many(198)), 431],
  ['a header of 40,000 bytes', get(`X: ${'y'.repeat(40000)}`), 431],
  ['a name of 40,000 bytes', get(`${'X'.repeat(40000)}: y`), 431],
  ['a path of 40,000 bytes', lines(`GET /${'a'.repeat(40000)} HTTP/1.1`, host), 431],
  ['a path of 20,000 bytes', lines(`GET /${'a'.repeat(20000)} HTTP/1.1`, host), 414],
  ['no Host', lines('GET /api/me HTTP/1.1', auth()), 400],
  ['two Hosts', get('Host: other.example'), 400],
  ['two equal Hosts', get(host), 400],
  ['an empty Host', lines('GET /api/me HTTP/1.1', 'Host:'), 400],
  ['a Host with a path', lines('GET /api/me HTTP/1.1', 'Host: a/b'), 400],
  ['a Host with a user', lines('GET /api/me HTTP/1.1', 'Host: a@b'), 400],
  ['two Hosts in one', lines('GET /api/me HTTP/1.1', 'Host: a, b'), 400],
  ['absolute-form', lines(`GET http://${server.host}:${server.port}/api/me HTTP/1.1`, host, auth()), 400],
  ['absolute-form of another', lines('GET http://other.example/api/me HTTP/1.1', host), 400],
  ['absolute-form without a path', lines('GET http://other.example HTTP/1.1', host), 400],
  ['authority-form', lines('CONNECT other.example:80 HTTP/1.1', host), 400],
  ['asterisk-form', lines('OPTIONS * HTTP/1.1', host), 400],
  ['a path without its slash', lines('GET api/me HTTP/1.1', host), 400],
  ['a fragment', lines('GET /api/me#x HTTP/1.1', host), 400],
  ['%00 in a path', lines('GET /api/files/home%00/canary HTTP/1.1', host, auth()), 400],
  ['%00 behind a route', lines('GET /api/me%00 HTTP/1.1', host, auth()), 404],
  ['a NUL in a path', lines('GET /api/me\0 HTTP/1.1', host), 400],
  ['a byte above 127 in a path', lines('GET /\xc3\xa9 HTTP/1.1', host), 400],
  ['two spaces before the path', lines('GET  /api/me HTTP/1.1', host), 400],
  ['two spaces behind the path', lines('GET /api/me  HTTP/1.1', host), 400],
  ['a tab before the path', lines('GET\t/api/me HTTP/1.1', host), 400],
  ['a space behind the version', lines('GET /api/me HTTP/1.1 ', host), 400],
  ['a space before the method', ` ${get()}`, 400],
  ['an empty line before the request', `\r\n${get()}`, 400],
  ['many empty lines before the request', `${'\r\n'.repeat(50)}${get()}`, 400],
  ['no version', lines('GET /api/me', host), 400],
  ['HTTP/1.0', lines('GET /api/me HTTP/1.0', host), 505],
  ['HTTP/1.2', lines('GET /api/me HTTP/1.2', host), 505],
  ['HTTP/2.0', lines('GET /api/me HTTP/2.0', host), 505],
  ['http/1.1', lines('GET /api/me http/1.1', host), 400],
  ['HTTP/1.10', lines('GET /api/me HTTP/1.10', host), 400],
  ['the beginning of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['the beginning of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['a method in small letters', lines('get /api/me HTTP/1.1', host), [400, 501]],
  ['a method that is none', lines('G(T /api/me HTTP/1.1', host), 400],
  ['a method of 40 letters', lines(`${'G'.repeat(40)} /api/me HTTP/1.1`, host), 400],
  ['an upgrade with a body', upgradeHead(server, '/v1/echo', ['Content-Length: 4']), 400],
  ['an expectation that is none', `${post('Content-Length: 2', 'Expect: 200-ok')}{}`, [405, 417]],
  ['a second request behind one that is refused', lines('GET /nothing HTTP/1.1', host), 404],
];

async function canaryLives(name) {
  const r = await server.fetch('/api/files/home/canary', { token: ann });
  assert.equal(`${r.status} ${await r.text()}`, '200 alive', name);
}

const smuggled = () => lines('DELETE /api/files/home/canary HTTP/1.1', host, auth());

test('each form is refused, and nothing behind it is carried out', async (t) => {
  await put('home/canary');
  const all = forms();
  t.diagnostic(`${all.length} forms`);
  assert.ok(all.length > 100);
  await inParallel(all, 16, async ([name, bytes, status]) => {
    for (const chop of [0, bytes.length - 1]) { // the second request with the first, and with its last byte
      const w = await Wire.connect(server);
      await w.send(Buffer.from(bytes + smuggled(), 'latin1'), chop);
      const got = await w.answer();
      w.destroy();
      assert.ok([status].flat().includes(got.status), `${name}: ${got.status} ${got.body}`);
      const error = JSON.parse(got.body).error;
      assert.ok(error.code && error.message, name);
      assert.match(got.head, /\r\nConnection: close\r\n/, name);
      assert.match(got.head, /\r\nX-Content-Type-Options: nosniff\r\n/, name);
    }
  });
  await canaryLives('after all of them');
});

test('a good request is answered, and the one behind it is not carried out', async () => {
  await put('home/canary');
  const two = get() + smuggled();
  for (const chop of [0, get().length - 1, get().length + 10]) {
    const w = await Wire.connect(server);
    await w.send(Buffer.from(two), chop);
    const got = await w.answer();
    w.destroy();
    assert.equal(got.status, 200);
    assert.equal(JSON.parse(got.body).name, 'ann', 'one answer, and nothing behind it');
  }
  const w = await Wire.connect(server);
  await w.send(Buffer.from(lines('PUT /api/files/home/two HTTP/1.1', host, auth(), 'Content-Length: 5') + `12345${smuggled()}`));
  const got = await w.answer();
  assert.equal(got.status, 201, got.body);
  assert.doesNotMatch(got.body, /HTTP/);
  w.destroy();
  assert.equal(await (await server.fetch('/api/files/home/two', { token: ann })).text(), '12345');
  await canaryLives('behind good ones');
});

test('forms that look strange are served', async () => {
  const served = [get('X:'), get('X: '), get('X:y  '), get(`X: ${'y'.repeat(8000)}`), get(...many(61)), get('X: \xff\xfe'), get('x-a!#$%&\'*+-.^_`|~09: y'),
    lines('GET /api/me?a=b%20c&d HTTP/1.1', host, auth()), lines('GET /api/me HTTP/1.1', host.toUpperCase().replace('HOST', 'hOsT'), auth())];
  for (const bytes of served)
    for (const chop of [0, 7]) {
      const w = await Wire.connect(server);
      await w.send(Buffer.from(bytes, 'latin1'), chop);
      const got = await w.answer();
      w.destroy();
      assert.equal(got.status, 200, bytes + got.body);
    }
});

test('what is refused is refused at its first wrong byte', async () => {
  for (const bytes of ['GET http://x', 'GET /api/me HTTP/1.1\n', 'GET /api/me HTTP/1.1\r\nHost : ', '\x16\x03', 'GET  ']) {
    const began = Date.now();
    const w = await Wire.connect(server);
    await w.send(Buffer.from(bytes, 'latin1'), 1);
    const got = await w.answer();
    w.destroy();
    assert.equal(got.status, 400, bytes);
    assert.ok(Date.now() - began < 3000 * slow, 'without waiting for more');
  }
});
