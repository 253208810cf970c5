// utf8.mjs - the sequences of Markus Kuhn's decoder stress test, section by section, and those around them.
// What is valid and how far one must read to know it is asked of Node's own decoder.
const hex = (s) => Buffer.from(s.replaceAll(' ', ''), 'hex');
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const each = (bytes) => Buffer.from(bytes.flatMap((b) => [b, 0x20]));
const chars = (...points) => Buffer.from(String.fromCodePoint(...points));

const truncated = ['c0', 'e0 80', 'f0 80 80', 'f8 80 80 80', 'fc 80 80 80 80',
  'df', 'ef bf', 'f7 bf bf', 'fb bf bf bf', 'fd bf bf bf bf'];

const tables = {
  '1 some correct text': [Buffer.from('κόσμε'), Buffer.from('Hello-µ@ßöäüàá-UTF-8!!'), Buffer.from('𝄞 clef, 日本語'), Buffer.alloc(0)],
  '2.1 first possible sequence of a length': ['00', 'c2 80', 'e0 a0 80', 'f0 90 80 80', 'f8 88 80 80 80', 'fc 84 80 80 80 80'].map(hex),
  '2.2 last possible sequence of a length': ['7f', 'df bf', 'ef bf bf', 'f7 bf bf bf', 'fb bf bf bf bf', 'fd bf bf bf bf bf'].map(hex),
  '2.3 other boundaries': ['ed 9f bf', 'ee 80 80', 'ef bf bd', 'f4 8f bf bf', 'f4 90 80 80'].map(hex),
  '3.1 unexpected continuation bytes': ['80', 'bf', '80 bf', '80 bf 80', '80 bf 80 bf', '80 bf 80 bf 80', '80 bf 80 bf 80 bf',
    '80 bf 80 bf 80 bf 80'].map(hex).concat(Buffer.from(range(0x80, 0xbf))),
  '3.2 lonely start characters': [each(range(0xc0, 0xdf)), each(range(0xe0, 0xef)), each(range(0xf0, 0xf7)), each(range(0xf8, 0xfb)), each([0xfc, 0xfd]),
    ...range(0xc0, 0xfd).map((b) => Buffer.from([b, 0x20]))],
  '3.3 the last continuation byte missing': truncated.map(hex),
  '3.4 incomplete sequences in a row': [hex(truncated.join(''))],
  '3.5 impossible bytes': ['fe', 'ff', 'fe fe ff ff'].map(hex),
  '4.1 overlong ASCII': ['c0 af', 'e0 80 af', 'f0 80 80 af', 'f8 80 80 80 af', 'fc 80 80 80 80 af'].map(hex),
  '4.2 the longest overlong': ['c1 bf', 'e0 9f bf', 'f0 8f bf bf', 'f8 87 bf bf bf', 'fc 83 bf bf bf bf'].map(hex),
  '4.3 overlong NUL': ['c0 80', 'e0 80 80', 'f0 80 80 80', 'f8 80 80 80 80', 'fc 80 80 80 80 80'].map(hex),
  '5.1 single surrogates': ['ed a0 80', 'ed ad bf', 'ed ae 80', 'ed af bf', 'ed b0 80', 'ed be 80', 'ed bf bf'].map(hex),
  '5.2 paired surrogates': ['ed a0 80 ed b0 80', 'ed a0 80 ed bf bf', 'ed ad bf ed b0 80', 'ed ad bf ed bf bf', 'ed ae 80 ed b0 80',
    'ed ae 80 ed bf bf', 'ed af bf ed b0 80', 'ed af bf ed bf bf'].map(hex),
  '5.3 noncharacters, which are characters here': [...range(0, 16).flatMap((p) => [chars(p << 16 | 0xfffe), chars(p << 16 | 0xffff)]),
    chars(...range(0xfdd0, 0xfdef))],
  '6 text around what is wrong': [Buffer.concat([Buffer.from('κόσμε'), hex('ed a0 80'), Buffer.from('edited')]),
    Buffer.concat([Buffer.from('κόσμε'), hex('f4 90 80 80'), Buffer.from('edited')])],
};

// How many bytes must be read to know that it is wrong; undefined if only its end is, or nothing.
function wrongAfter(bytes) {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for (let i = 0; i < bytes.length; i++) {
    try {
      decoder.decode(bytes.subarray(i, i + 1), { stream: true });
    } catch {
      return i + 1;
    }
  }
  return undefined;
}

function valid(bytes) {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

export const sequences = Object.entries(tables).flatMap(([section, rows]) =>
  rows.map((bytes, i) => ({ name: `${section}, ${i + 1}: ${bytes.subarray(0, 24).toString('hex')}`, bytes, valid: valid(bytes), wrongAfter: wrongAfter(bytes) })));
