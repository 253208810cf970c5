// cases.mjs - what a WebSocket server must do with each sequence of frames, numbered as in the list of cases
// that fuzzing clients of RFC 6455 have in common. A case: what is sent, in which pieces, which frames come
// back in order, and with which code the server closes (1000: we close, and it answers in kind).
import { sequences } from './utf8.mjs';
import { BINARY, CLOSE, CONT, PING, PONG, TEXT, closeFrame, fragments, frame } from './wire.mjs';

const OCTETS = 1;
export const cases = [];
const add = (id, send, { back = [], close = 1000, chop = 0, goes = close === 1000 } = {}) =>
  cases.push({ id, send: [send].flat(), back, close, chop, goes }); // goes: the closing is ours to begin
const text = (data) => ({ opcode: TEXT, data: Buffer.from(data) });
const binary = (data) => ({ opcode: BINARY, data: Buffer.from(data) });
const pong = (data = '') => ({ opcode: PONG, data: Buffer.from(data) });
const ways = [['at once', 0], ['frame by frame', 'frames'], ['octet by octet', OCTETS]];

// 1: every way to write a length.
for (const [at, size] of [0, 125, 126, 127, 128, 65535, 65536].entries()) {
  const data = Buffer.alloc(size, '*');
  add(`1.1.${at + 1} a text of ${size}`, frame(TEXT, data), { back: [text(data)] });
  add(`1.2.${at + 1} binary of ${size}`, frame(BINARY, Buffer.alloc(size, 0xfe)), { back: [binary(Buffer.alloc(size, 0xfe))] });
}
add('1.1.8 a text of 65536 in chops of 997', frame(TEXT, Buffer.alloc(65536, '*')), { back: [text(Buffer.alloc(65536, '*'))], chop: 997 });
add('1.2.8 binary of 65536 in chops of 997', frame(BINARY, Buffer.alloc(65536, 0xfe)), { back: [binary(Buffer.alloc(65536, 0xfe))], chop: 997 });

// 2: pings and pongs.
for (const [at, data] of ['', 'Hello, world!', Buffer.from('00fffefdfcfb00ff', 'hex'), Buffer.alloc(125, 0xfe)].entries())
  add(`2.${at + 1} a ping of ${data.length}`, frame(PING, data), { back: [pong(data)] });
add('2.5 a ping of 126', frame(PING, Buffer.alloc(126, 0xfe)), { close: 1002 });
add('2.6 a ping in octets', frame(PING, Buffer.alloc(125, 0xfe)), { back: [pong(Buffer.alloc(125, 0xfe))], chop: OCTETS });
add('2.7 a pong nobody asked for', frame(PONG));
add('2.8 a pong nobody asked for, with data', frame(PONG, 'unsolicited'));
add('2.9 such a pong, then a ping', [frame(PONG, 'unsolicited'), frame(PING, 'ping')], { back: [pong('ping')] });
const ten = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
add('2.10 ten pings', ten.map((d) => frame(PING, d)), { back: ten.map(pong) });
add('2.11 ten pings in octets', ten.map((d) => frame(PING, d)), { back: ten.map(pong), chop: OCTETS });

// 3: reserved bits, none of which was agreed to.
for (let rsv = 1; rsv <= 7; rsv++) {
  for (const [name, opcode] of Object.entries({ text: TEXT, binary: BINARY, ping: PING, pong: PONG, close: CLOSE }))
    add(`3.${rsv} reserved bits ${rsv} of a ${name}`, frame(opcode, opcode === CLOSE ? Buffer.from([3, 0xe8]) : 'x', { rsv }), { close: 1002 });
  for (const [how, chop] of ways)
    add(`3.${rsv} reserved bits ${rsv} behind a good text, ${how}`, [frame(TEXT, 'good'), frame(TEXT, 'bad', { rsv }), frame(PING)],
      { back: [text('good')], close: 1002, chop });
  add(`3.${rsv} reserved bits ${rsv} of a continuation`, [frame(TEXT, 'a', { fin: false }), frame(CONT, 'b', { rsv })], { close: 1002 });
}

// 4: reserved opcodes.
for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
  const id = opcode < 8 ? `4.1.${opcode - 2}` : `4.2.${opcode - 10}`;
  add(`${id} opcode ${opcode}`, frame(opcode), { close: 1002 });
  add(`${id} opcode ${opcode} with data`, frame(opcode, 'reserved'), { close: 1002 });
  for (const [how, chop] of ways)
    add(`${id} opcode ${opcode} behind a good text, ${how}`, [frame(TEXT, 'good'), frame(opcode, 'bad'), frame(PING)],
      { back: [text('good')], close: 1002, chop });
}

// 5: fragments.
const part = (opcode, data) => frame(opcode, data, { fin: false });
add('5.1 a ping in two fragments', [part(PING, 'a'), frame(CONT, 'b')], { close: 1002 });
add('5.2 a pong in two fragments', [part(PONG, 'a'), frame(CONT, 'b')], { close: 1002 });
add('5.2 a close in two fragments', [part(CLOSE, Buffer.from([3])), frame(CONT, Buffer.from([0xe8]))], { close: 1002 });
for (const [how, chop] of ways) {
  add(`5.3 a text in two fragments, ${how}`, [part(TEXT, 'frag'), frame(CONT, 'ment')], { back: [text('fragment')], chop });
  add(`5.6 a ping between two fragments, ${how}`, [part(TEXT, 'frag'), frame(PING, 'here?'), frame(CONT, 'ment')],
    { back: [pong('here?'), text('fragment')], chop });
  add(`5.9 a continuation of nothing, ${how}`, [frame(CONT, 'x'), frame(TEXT, 'y')], { close: 1002, chop });
  add(`5.12 an unfinished continuation of nothing, ${how}`, [part(CONT, 'x'), frame(TEXT, 'y')], { close: 1002, chop });
  add(`5.18 a text inside another, ${how}`, [part(TEXT, 'a'), frame(TEXT, 'b')], { close: 1002, chop });
  add(`5.18 binary inside a text, ${how}`, [part(TEXT, 'a'), frame(BINARY, 'b')], { close: 1002, chop });
  add(`5.19 five fragments and two pings, ${how}`, [part(TEXT, 'a'), part(CONT, 'b'), frame(PING, '1'), part(CONT, 'c'), part(CONT, 'd'), frame(PING, '2'), frame(CONT, 'e')],
    { back: [pong('1'), pong('2'), text('abcde')], chop });
}
add('5.15 a message, then an unfinished continuation of nothing', [part(TEXT, 'a'), frame(CONT, 'b'), part(CONT, 'c'), frame(TEXT, 'd')], { back: [text('ab')], close: 1002 });
add('5.16 unfinished continuations and texts by turns', [part(CONT, 'a'), frame(TEXT, 'b'), part(CONT, 'a'), frame(TEXT, 'b')], { close: 1002 });
add('5.17 continuations and texts by turns', [frame(CONT, 'a'), frame(TEXT, 'b'), frame(CONT, 'a'), frame(TEXT, 'b')], { close: 1002 });
add('5.20 empty fragments', [part(TEXT, ''), part(CONT, ''), part(CONT, 'x'), part(CONT, ''), frame(CONT, '')], { back: [text('x')] });
add('5.21 nothing but empty fragments', [part(TEXT, ''), part(CONT, ''), frame(CONT, '')], { back: [text('')] });

// 6: UTF-8, known to be wrong at the first byte that makes it so.
for (const { name, bytes, valid, wrongAfter } of sequences) {
  const split = fragments(TEXT, bytes, 1);
  const want = valid ? { back: [text(bytes)] } : { close: 1007 };
  add(`6 ${name}`, frame(TEXT, bytes), want);
  add(`6 ${name}, in fragments of an octet`, split, want);
  add(`6 ${name}, in octets`, frame(TEXT, bytes), { ...want, chop: OCTETS });
  if (!wrongAfter)
    continue;
  add(`6 ${name}, the message never ends`, split.slice(0, wrongAfter).with(-1, part(wrongAfter > 1 ? CONT : TEXT, bytes.subarray(wrongAfter - 1, wrongAfter))), want);
  add(`6 ${name}, the frame never ends`, frame(TEXT, bytes.subarray(0, wrongAfter), { declared: BigInt(wrongAfter + 100) }), want);
}
add('6.1 empty texts, whole and in three', [frame(TEXT), ...[part(TEXT, ''), part(CONT, ''), frame(CONT, '')]], { back: [text(''), text('')] });
add('6.4 binary need not be UTF-8', frame(BINARY, Buffer.from('fffe80c0', 'hex')), { back: [binary(Buffer.from('fffe80c0', 'hex'))] });

// 7: closing.
const closes = (id, send, code, back = []) => add(id, send, { back, close: code, goes: false });
closes('7.1.1 a text, then the close', [frame(TEXT, 'x'), closeFrame(1000)], 1000, [text('x')]);
closes('7.1.2 two closes', [closeFrame(1000), closeFrame(1000)], 1000);
closes('7.1.3 a ping after the close', [closeFrame(1000), frame(PING)], 1000);
closes('7.1.4 a text after the close', [closeFrame(1000), frame(TEXT, 'late')], 1000);
closes('7.1.5 the close inside a message, then its end', [part(TEXT, 'a'), closeFrame(1000), frame(CONT, 'b')], 1000);
closes('7.1.6 a long text, the close, a ping', [frame(TEXT, Buffer.alloc(262144, 'B')), closeFrame(1000), frame(PING)], 1000,
  [text(Buffer.alloc(262144, 'B'))]);
closes('7.3.1 a close without a code', frame(CLOSE), 1000);
closes('7.3.2 a close of one byte', frame(CLOSE, 'a'), 1002);
closes('7.3.3 a close with a code', closeFrame(1000), 1000);
closes('7.3.4 a close with a reason', closeFrame(1000, 'Hello World!'), 1000);
closes('7.3.5 a close with a reason of 123', closeFrame(1000, '*'.repeat(123)), 1000);
closes('7.3.6 a close with a reason of 124', closeFrame(1000, '*'.repeat(124)), 1002);
closes('7.5.1 a reason that is not UTF-8', closeFrame(1000, Buffer.from('cebae1bdb9cf83cebcceb5eda080656469746564', 'hex')), 1007);
closes('7.5.2 a reason that ends inside a character', closeFrame(1000, Buffer.from('cebae1bd', 'hex')), 1007);
for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) {
  closes(`7.7 code ${code}`, closeFrame(code), code);
  closes(`7.7 code ${code} with a reason, in octets`, closeFrame(code, 'why'), code);
}
for (const code of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]) {
  closes(`7.9 code ${code}`, closeFrame(code), 1002);
  closes(`7.9 code ${code} with a reason`, closeFrame(code, 'why'), 1002);
}

// 9: large messages, small fragments, small pieces. messageBytes is the server's limit.
export function large(messageBytes) {
  const before = cases.length;
  for (const [id, opcode] of [['9.1', TEXT], ['9.2', BINARY]]) {
    const echo = (data) => ({ opcode, data });
    for (const size of [1 << 16, 1 << 18, messageBytes - 1, messageBytes]) {
      const data = Buffer.alloc(size, '*');
      add(`${id} a message of ${size}`, frame(opcode, data), { back: [echo(data)] });
    }
    add(`${id} a message of one byte too many`, frame(opcode, '', { declared: BigInt(messageBytes + 1) }), { close: 1009 });
    add(`${id} fragments that are one byte too many`, [part(opcode, Buffer.alloc(messageBytes, '*')), part(CONT, 'x')], { close: 1009 });
    add(`${id} a message that never ends, in empty fragments`, [part(opcode, ''), ...Array(Math.ceil((2 * messageBytes + 65536) / 6)).fill(part(CONT, ''))], { close: 1009 });
    add(`${id} a length of 2^62`, frame(opcode, 'x', { declared: 1n << 62n }), { close: 1009 });
  }
  for (const size of [64, 256, 1024, 4096, 16384, 65536]) {
    const data = Buffer.alloc(messageBytes / 4, '*');
    add(`9.3 a text in fragments of ${size}`, fragments(TEXT, data, size), { back: [text(data)] });
    add(`9.4 binary in fragments of ${size}`, fragments(BINARY, data, size), { back: [binary(data)] });
  }
  for (const chop of [64, 128, 256, 512, 1024, 2048]) {
    const data = Buffer.alloc(65536, '*');
    add(`9.5 a text of 64 KiB in chops of ${chop}`, frame(TEXT, data), { back: [text(data)], chop });
    add(`9.6 binary of 64 KiB in chops of ${chop}`, frame(BINARY, data), { back: [binary(data)], chop });
  }
  for (const size of [0, 16, 64, 256, 1024, 4096]) {
    const data = Buffer.alloc(size, '*'), many = 200;
    add(`9.7 ${many} texts of ${size}`, Array.from({ length: many }, () => frame(TEXT, data)), { back: Array(many).fill(text(data)) });
    add(`9.8 ${many} binaries of ${size}`, Array.from({ length: many }, () => frame(BINARY, data)), { back: Array(many).fill(binary(data)) });
  }
  return cases.splice(before);
}

// 10: fragments of a size that divides nothing.
add('10.1.1 a text of 64 KiB in fragments of 1300', fragments(TEXT, Buffer.alloc(65536, '*'), 1300), { back: [text(Buffer.alloc(65536, '*'))] });

// 12, 13: compression is never agreed to, so its bit is a reserved one (3.4 above), whatever was offered.

// 14: what a parser may get wrong beyond that list.
for (const [opcode, name] of [[TEXT, 'text'], [BINARY, 'binary'], [PING, 'ping'], [PONG, 'pong'], [CLOSE, 'close'], [CONT, 'continuation']])
  add(`14.1 a ${name} that is not masked`, frame(opcode, opcode === CLOSE ? Buffer.from([3, 0xe8]) : 'x', { mask: null }), { close: 1002 });
add('14.2 a good text, then one that is not masked', [frame(TEXT, 'good'), frame(TEXT, 'bad', { mask: null })], { back: [text('good')], close: 1002 });
for (const mask of ['00000000', 'ffffffff', '00000001', '80000000'])
  add(`14.3 masked with ${mask}`, frame(TEXT, 'masked', { mask: Buffer.from(mask, 'hex') }), { back: [text('masked')] });
for (const size of [0, 1, 125])
  for (const form of [2, 8])
    add(`14.4 a length of ${size} in ${form} bytes`, frame(TEXT, Buffer.alloc(size, '*'), { form }), { close: 1002 });
for (const size of [126, 127, 65535])
  add(`14.4 a length of ${size} in 8 bytes`, frame(TEXT, Buffer.alloc(size, '*'), { form: 8 }), { close: 1002 });
for (const declared of [1n << 63n, (1n << 64n) - 1n, (1n << 63n) | 1n])
  add(`14.5 a length of ${declared}`, frame(BINARY, 'x', { declared, form: 8 }), { close: 1002 });
for (const opcode of [PING, PONG, CLOSE])
  for (const form of [2, 8])
    add(`14.6 a control frame (${opcode}) with its length in ${form} bytes`, frame(opcode, Buffer.from([3, 0xe8]), { form }), { close: 1002 });
add('14.7 a close in octets', closeFrame(4000, 'bye'), { close: 4000, goes: false, chop: OCTETS });
