// RFC 6455 against /v1/echo, by bytes: the groups of the fuzzing clients' common list, and what a parser may
// get wrong beyond it. What civetweb makes impossible is a list (handshakes.mjs) that the protocol's page must have.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { cases, large } from './conformance/cases.mjs';
import { handshakes, impossible, request } from './conformance/handshakes.mjs';
import { CLOSE, Wire, closeFrame, openSocket } from './conformance/wire.mjs';
import { inParallel } from './counts.mjs';
import { Server, repo, slow } from './lib.mjs';

const MESSAGE_BYTES = 1 << 20;
const WIDTH = 32;
const END_MS = 3000; // a close has one second to leave and to be answered
const groups = { 1: 'lengths', 2: 'pings and pongs', 3: 'reserved bits', 4: 'opcodes', 5: 'fragments', 6: 'UTF-8', 7: 'closing',
  9: 'large and small', 10: 'uneven fragments', 14: 'masks and spellings of lengths' };

let server;
before(async () => {
  server = await Server.start({ config: { diagnostics: { echo: 'yes' }, limits: { message_bytes: MESSAGE_BYTES } } });
});
after(() => server?.destroy());

async function conform(c) {
  const w = await openSocket(server);
  try {
    const sending = c.chop === 'frames'
      ? c.send.reduce((before, f) => before.then(() => w.send(f)), Promise.resolve())
      : w.send(Buffer.concat(c.send), c.chop);
    for (const want of c.back) {
      const got = await w.frame();
      assert.equal(got?.opcode, want.opcode, `opcode; close ${got?.code} ${got?.reason}`);
      assert.ok(got.data.equals(want.data), `${got.data.length} bytes came back`);
    }
    if (c.goes)
      await w.send(closeFrame(1000));
    const last = await w.frame();
    assert.equal(last?.opcode, CLOSE, 'a close frame');
    assert.equal(last.code, c.close, last.reason);
    const began = Date.now();
    assert.equal(await w.frame(), undefined, 'nothing behind the close frame');
    assert.ok(Date.now() - began < END_MS * slow, 'the end of the connection');
    await sending;
  } catch (e) {
    throw new Error(`${c.id}: ${e.message}`, { cause: e });
  } finally {
    w.destroy();
  }
}

for (const [number, name] of Object.entries(groups))
  test(`${number}: ${name}`, async (t) => {
    const these = [...cases, ...large(MESSAGE_BYTES)].filter((c) => c.id.split(/[. ]/)[0] === number);
    assert.ok(these.length > 0);
    t.diagnostic(`${these.length} cases`);
    await inParallel(these, WIDTH, conform);
  });

test('every case belongs to a group', () => {
  for (const c of cases)
    assert.ok(c.id.split(/[. ]/)[0] in groups, c.id);
  assert.ok(cases.length + large(MESSAGE_BYTES).length > 800);
});

test('handshakes', async (t) => {
  t.diagnostic(`${handshakes.length} cases`);
  await inParallel(handshakes, WIDTH, async ({ name, row, status, match }) => {
    const w = await Wire.connect(server);
    await w.send(Buffer.concat([Buffer.from(request(server, `/v1/echo${row.query ?? ''}`, row)), row.behind ?? Buffer.alloc(0)]));
    const got = await w.answer();
    w.destroy();
    assert.equal(got.status, status, `${name}: ${got.head}${got.body}`);
    assert.match(got.head + got.body, match, name);
  });
});

test('what is impossible stands in the protocol', () => {
  const page = fs.readFileSync(path.join(repo, 'docs/protocol.md'), 'utf8').replace(/\s+/g, ' ');
  for (const sentence of impossible)
    assert.ok(page.includes(sentence), sentence);
});
