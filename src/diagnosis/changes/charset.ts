import { decodeUtf8, encodeUtf8 } from '../../protocol/encoding.ts'
import type { Change } from '../change.ts'
import { decodeIn, encodeIn, readLatin1 } from '../charset.ts'
import { textChange } from './json.ts'

const QUESTION_MARK = 0x3f
const FIX = 'Write and sign the body in UTF-8, and do not convert it in transit.'

function bytesChange(cost: number, what: string, convert: (body: Uint8Array) => Uint8Array | undefined): Change {
  return {
    code: 'body-charset',
    part: 'body',
    cost,
    fix: `The sender signed the body ${what}. ${FIX}`,
    apply(parts) {
      const body = convert(parts.body)
      return body === undefined || Buffer.compare(body, parts.body) === 0 ? undefined : { ...parts, body }
    },
  }
}

const hasNonAscii = (body: Uint8Array) => body.some((byte) => byte >= 0x80)

const isNotUtf8 = (body: Uint8Array) => decodeUtf8(body) === undefined
const ifUtf8 = (body: Uint8Array | undefined) => (body === undefined || isNotUtf8(body) ? undefined : body)

/** Only bodies with characters beyond ASCII look different in another charset. */
const ifText =
  (convert: (text: string) => Uint8Array | undefined) =>
  (body: Uint8Array): Uint8Array | undefined => {
    const text = hasNonAscii(body) ? decodeUtf8(body) : undefined
    return text === undefined ? undefined : convert(text)
  }

/** The body in another charset, or read in another charset. */
export function charsetChanges(): Change[] {
  return [
    bytesChange(
      1,
      'before its UTF-8 was read as Latin-1 and written as UTF-8 again',
      ifText((text) => ifUtf8(encodeIn('latin1', text))),
    ),
    bytesChange(
      1,
      'before its UTF-8 was read as Windows-1252 and written as UTF-8 again',
      ifText((text) => ifUtf8(encodeIn('windows-1252', text))),
    ),
    bytesChange(
      1,
      'in Latin-1',
      ifText((text) => encodeIn('latin1', text)),
    ),
    bytesChange(
      2,
      'in Windows-1252',
      ifText((text) => encodeIn('windows-1252', text)),
    ),
    bytesChange(1, 'in UTF-8, but it arrived in Latin-1', (body) =>
      isNotUtf8(body) ? encodeUtf8(readLatin1(body, false)) : undefined,
    ),
    bytesChange(2, 'in UTF-8, but it arrived in Windows-1252', (body) =>
      isNotUtf8(body) ? encodeUtf8(readLatin1(body, true)) : undefined,
    ),
    bytesChange(1, 'after its UTF-8 was read as Latin-1', (body) =>
      hasNonAscii(body) ? encodeUtf8(readLatin1(body, false)) : undefined,
    ),
    bytesChange(2, 'after its UTF-8 was read as Windows-1252', (body) =>
      hasNonAscii(body) ? encodeUtf8(readLatin1(body, true)) : undefined,
    ),
    bytesChange(2, 'after it was read as UTF-8, which it is not, with U+FFFD for some bytes', (body) =>
      isNotUtf8(body) ? encodeUtf8(new TextDecoder('utf-8', { ignoreBOM: true }).decode(body)) : undefined,
    ),
    bytesChange(
      2,
      'in GBK',
      ifText((text) => encodeIn('gbk', text)),
    ),
    bytesChange(
      2,
      'in Big5',
      ifText((text) => encodeIn('big5', text)),
    ),
    bytesChange(
      2,
      'in Latin-1, with "?" for other characters',
      ifText((text) => encodeIn('latin1', text, QUESTION_MARK)),
    ),
    bytesChange(
      2,
      'in ASCII, with "?" for other characters',
      ifText((text) => encodeIn('ascii', text, QUESTION_MARK)),
    ),
    ...(['gbk', 'big5'] as const).map((charset) =>
      bytesChange(2, `in UTF-8, but it arrived in ${charset === 'gbk' ? 'GBK' : 'Big5'}`, (body) => {
        if (!hasNonAscii(body) || decodeUtf8(body) !== undefined) return undefined
        const text = decodeIn(charset, body)
        return text === undefined ? undefined : encodeUtf8(text)
      }),
    ),
    bytesChange(3, 'in UTF-16, little-endian', (body) => utf16(body)),
    bytesChange(3, 'in UTF-16, big-endian', (body) => utf16(body)?.swap16()),
    ...(['NFC', 'NFD'] as const).map((form) =>
      textChange(
        { code: 'body-charset', cost: 3, fix: `The sender signed the body in the Unicode form ${form}. ${FIX}` },
        (text) => text.normalize(form),
      ),
    ),
  ]
}

function utf16(body: Uint8Array): Buffer | undefined {
  const text = decodeUtf8(body)
  return text === undefined ? undefined : Buffer.from(text, 'utf16le')
}
