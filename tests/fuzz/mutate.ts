/** Changes bytes at random, in the ways that break parsers. The same random numbers make the same changes. */

/** Pieces that parsers of this protocol treat in a special way. */
const TOKENS = [
  ...[
    '\0',
    '\r\n',
    '\n',
    '\t',
    ' ',
    ',',
    '=',
    '%',
    '%00',
    '%2',
    '+',
    '/',
    '"',
    '\\',
    '\\u0000',
    '\\ud800',
    "'",
    '`',
    '{',
    '}',
    '[',
    ']',
    ':',
    ';',
  ],
  ...[
    '__proto__',
    'constructor',
    'null',
    'true',
    '-0',
    '1e999',
    '9007199254740993',
    '0.1',
    '{"a":1,"a":2}',
    '[[[[[[[[',
  ],
  ...[
    'algorithm=RSA256,keyVersion=1,signature=',
    'algorithm=ECC224',
    'symmetricKey=',
    'keyVersion=0',
    '2024-05-22T09:12:21+08:00',
    'Z',
    '+08:00',
  ],
  ...[
    '-----BEGIN PRIVATE KEY-----',
    '-----END PUBLIC KEY-----',
    'MII',
    '\ufeff',
    '\u200b',
    '\u{1f600}',
    'é',
    '\xff',
    'curl ',
    "-H '",
    'HTTP/1.1',
    '1970',
    '99999999999999',
  ],
].map((text) => Buffer.from(text))

export function mutate(input: Uint8Array, others: readonly Uint8Array[], random: () => number): Uint8Array {
  let bytes = Buffer.from(input)
  const below = (limit: number) => Math.floor(random() * limit)
  const pick = <Item>(items: readonly Item[]): Item | undefined => items[below(items.length)]
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const at = below(bytes.length + 1)
    const end = Math.min(bytes.length, at + 1 + below(random() < 0.8 ? 8 : 64))
    const [before, part, after] = [bytes.subarray(0, at), bytes.subarray(at, end), bytes.subarray(end)]
    switch (below(8)) {
      case 0: // flip a bit
        bytes = Buffer.from(bytes)
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8))
        break
      case 1: // set a byte
        bytes = Buffer.from(bytes)
        if (at < bytes.length) bytes[at] = below(256)
        break
      case 2: // delete
        bytes = Buffer.concat([before, after])
        break
      case 3: // repeat
        bytes = Buffer.concat([before, ...Array<Buffer>(1 + below(random() < 0.95 ? 4 : 400)).fill(part), after])
        break
      case 4: // insert a token
        bytes = Buffer.concat([before, pick(TOKENS) ?? part, part, after])
        break
      case 5: // replace by a token
        bytes = Buffer.concat([before, pick(TOKENS) ?? part, after])
        break
      case 6: // cut the end
        bytes = Buffer.from(before)
        break
      default: {
        // splice with another input
        const other = Buffer.from(pick(others) ?? part)
        const from = below(other.length + 1)
        bytes = Buffer.concat([before, other.subarray(from, from + 1 + below(64)), after])
      }
    }
  }
  return bytes.subarray(0, MAX_BYTES)
}

const MAX_BYTES = 65_536
