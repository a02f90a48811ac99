/** Reads bytes as ISO 8859-1, or as Windows-1252, which programs often mean by it. */
export function readLatin1(bytes: Uint8Array, isWindows: boolean): string {
  return isWindows ? new TextDecoder('windows-1252').decode(bytes) : Buffer.from(bytes).toString('latin1')
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

/** Reads bytes in a charset; undefined when they are not of it, or the runtime does not know it. */
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

/** The inverse of TextDecoder, which the platform does not have. Made once, in some milliseconds. */
function tableOf(charset: Charset): ReadonlyMap<string, readonly number[]> {
  const known = tables.get(charset)
  if (known !== undefined) return known
  const table = new Map<string, readonly number[]>()
  for (const bytes of sequencesOf(charset)) {
    const text = charset === 'latin1' ? readLatin1(Uint8Array.from(bytes), false) : decodeLoosely(charset, bytes)
    if (text !== undefined && [...text].length === 1 && text !== '\uFFFD' && !table.has(text)) table.set(text, bytes)
  }
  tables.set(charset, table)
  return table
}

function* sequencesOf(charset: Charset): Generator<readonly number[]> {
  if (charset === 'ascii') return
  if (charset === 'latin1' || charset === 'windows-1252') {
    for (let byte = 0x80; byte <= 0xff; byte++) yield [byte]
    return
  }
  for (let first = 0x81; first <= 0xfe; first++) {
    for (let second = 0x40; second <= 0xfe; second++) yield [first, second]
  }
}

const decoders = new Map<string, TextDecoder>()

function decodeLoosely(charset: string, bytes: readonly number[]): string | undefined {
  try {
    const decoder = decoders.get(charset) ?? new TextDecoder(charset)
    decoders.set(charset, decoder)
    return decoder.decode(Uint8Array.from(bytes))
  } catch {
    return undefined
  }
}
