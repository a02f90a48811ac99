/**
 * The characters of Windows-1252 from 0x80 to 0x9f, where it differs from ISO 8859-1. TextDecoder decodes these bytes as
 * ISO 8859-1 in many versions of Node, among them 20.18.3 and later: https://github.com/nodejs/node/issues/60888
 */
const WINDOWS_1252 = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'

/** Reads bytes as ISO 8859-1, or as Windows-1252, which programs often call ISO 8859-1. */
export function readLatin1(bytes: Uint8Array, isWindows: boolean): string {
  const text = Buffer.from(bytes).toString('latin1')
  return isWindows ? text.replace(/[\x80-\x9f]/g, (control) => WINDOWS_1252.charAt(control.charCodeAt(0) - 0x80)) : text
}

/** Writes text in a charset; undefined when a character has no place in it. `replacement` takes that place. */
export function encodeIn(charset: Charset, text: string, replacement?: number): Uint8Array | undefined {
  const bytes: number[] = []
  const table = tableOf(charset)
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    const found =
      code < 0x80 ? [code] : (table.get(character) ?? (replacement === undefined ? undefined : [replacement]))
    if (found === undefined) return undefined
    bytes.push(...found)
  }
  return Uint8Array.from(bytes)
}

/** Decodes bytes in a charset. Undefined if they are invalid in it, or the runtime does not support it. */
export function decodeIn(charset: Exclude<Charset, 'ascii' | 'latin1'>, bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** Charsets that programs in Hong Kong and China use by default, besides UTF-8. */
export type Charset = 'ascii' | 'latin1' | 'windows-1252' | 'gbk' | 'big5'

const tables = new Map<Charset, ReadonlyMap<string, readonly number[]>>()

/** The inverse of TextDecoder, which the platform does not have. Made once, in a few milliseconds. */
function tableOf(charset: Charset): ReadonlyMap<string, readonly number[]> {
  const known = tables.get(charset)
  if (known !== undefined) return known
  const table = new Map<string, readonly number[]>()
  const sequences = sequencesOf(charset)
  // One call for all: each sequence is followed by a line feed, which no sequence has in it.
  const characters = decodeLoosely(charset, Uint8Array.from(sequences.flatMap((bytes) => [...bytes, LINE_FEED]))).split(
    '\n',
  )
  for (const [index, bytes] of sequences.entries()) {
    const character = characters[index] ?? ''
    if ([...character].length === 1 && character !== '\uFFFD' && !table.has(character)) table.set(character, bytes)
  }
  tables.set(charset, table)
  return table
}

const LINE_FEED = 0x0a

function sequencesOf(charset: Charset): (readonly number[])[] {
  if (charset === 'ascii') return []
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
  if (charset === 'latin1' || charset === 'windows-1252') return range(0x80, 0xff).map((byte) => [byte])
  return range(0x81, 0xfe).flatMap((first) => range(0x40, 0xfe).map((second) => [first, second]))
}

/** Empty if the runtime does not support the charset. */
function decodeLoosely(charset: Charset, bytes: Uint8Array): string {
  if (charset === 'latin1' || charset === 'windows-1252') return readLatin1(bytes, charset === 'windows-1252')
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    return ''
  }
}
