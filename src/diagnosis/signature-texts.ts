import { parseSignatureHeader } from '../protocol/headers.ts'

/** One way to read the signature in a header. */
export interface SignatureReading {
  readonly bytes: Uint8Array
  /** The difference from the protocol. Undefined for the format of the protocol. */
  readonly fix: string | undefined
}

/** The content of the `Signature` header, parsed as tolerantly as possible. */
export interface ReadSignature {
  /** Whether the header has the form of the protocol. */
  readonly isParsed: boolean
  readonly algorithm: string | undefined
  readonly keyVersion: string | undefined
  /** The format of the protocol comes first, if the header can be parsed in it. */
  readonly readings: readonly SignatureReading[]
}

/** Tolerant parsing stops at this header length. */
const MAX_HEADER = 8_192

const RIGHT = 'Send standard base64, URL-encoded once: signature=encodeURIComponent(base64).'

/** Reads a `Signature` header in every way in which senders write it. */
export function readSignature(header: string): ReadSignature {
  const readings = new Map<string, SignatureReading>()
  const add = (bytes: Uint8Array | undefined, fix: string | undefined) => {
    if (bytes === undefined || bytes.length < 32 || bytes.length > 1_024) return
    const key = Buffer.from(bytes).toString('latin1')
    if (!readings.has(key)) readings.set(key, { bytes, fix })
  }
  // With an unknown algorithm name, the rest can still be parsed.
  const named = () => parseSignatureHeader(header.replace(/\balgorithm=[^,]*/i, 'algorithm=RSA256'))
  const known = attempt(() => parseSignatureHeader(header))
  const parsed = known ?? attempt(named)
  add(parsed?.signature, undefined)
  if (header.length > MAX_HEADER)
    return {
      isParsed: parsed !== undefined,
      algorithm: known?.algorithm,
      keyVersion: known?.keyVersion,
      readings: [...readings.values()],
    }
  const pairs = new Map(
    [...header.matchAll(/(?<![A-Za-z])([A-Za-z]+)\s*[=:]\s*"?([^,;"\s]*)/g)].map(([, key = '', value = '']) => [
      key.toLowerCase(),
      value,
    ]),
  )
  for (const text of valuesOf(header)) addReadings(text, add)
  return {
    isParsed: parsed !== undefined,
    algorithm: known?.algorithm ?? pairs.get('algorithm'),
    keyVersion: parsed?.keyVersion ?? (pairs.get('keyversion') || undefined),
    readings: [...readings.values()],
  }
}

/** The texts in the header that may be the signature: the value of its key, or the whole header. */
function valuesOf(header: string): string[] {
  const named = /\bsign(?:ature)?\s*[=:]\s*(.*)$/is.exec(header)?.[1]
  const value = (named ?? header).trim()
  const upToComma = value.split(/[,;]/)[0] ?? ''
  return [...new Set([upToComma, value])].filter((text) => text.length >= 32)
}

function addReadings(value: string, add: (bytes: Uint8Array | undefined, fix: string | undefined) => void): void {
  const text = value.replace(/^["']|["']$/g, '').trim()
  const once = decoded(text) ?? text
  const twice = decoded(once) ?? once
  const thrice = decoded(twice) ?? twice
  const plain = base64Of(once)
  add(plain, `The signature is not in the format of the protocol. ${RIGHT}`)
  if (plain === undefined) {
    const fix = `The signature was URL-decoded once too often: each "+" has become a space. ${RIGHT}`
    const spaced = once.replaceAll(' ', '+')
    add(base64Of(spaced), fix)
    // A space at the start of a value is removed, and with it the first "+".
    add(base64Of(`+${spaced}`), fix)
  }
  add(base64Of(twice), `The signature is URL-encoded twice. ${RIGHT}`)
  add(base64Of(twice.replaceAll(' ', '+')), `The signature is URL-encoded twice. ${RIGHT}`)
  add(base64Of(thrice), `The signature is URL-encoded three times. ${RIGHT}`)
  add(base64Of(unescaped(once)), `The signature contains JSON or HTML escapes. ${RIGHT}`)
  add(base64Of(thrice.replace(/[^\w+/-]/g, '')), `The signature contains characters that are not base64. ${RIGHT}`)
  add(hexOf(twice), `The signature is in hex. ${RIGHT}`)
  const inner = base64Of(twice)
  const innerText =
    inner && /^[\x20-\x7e\r\n]+$/.test(Buffer.from(inner).toString('latin1'))
      ? Buffer.from(inner).toString('latin1')
      : undefined
  if (innerText === undefined) return
  add(base64Of(decoded(innerText.trim()) ?? innerText.trim()), `The signature is encoded as base64 twice. ${RIGHT}`)
  add(hexOf(innerText.trim()), `The signature is hex text, encoded as base64. ${RIGHT}`)
}

function decoded(text: string): string | undefined {
  return attempt(() => decodeURIComponent(text))
}

/** Base64 in either alphabet, or in both, with or without padding and line breaks. */
function base64Of(text: string): Uint8Array | undefined {
  const plain = text
    .replace(/[\r\n\t]+/g, '')
    .replaceAll('-', '+')
    .replaceAll('_', '/')
    .replace(/(?<!=)=+$/, '')
  return /^[A-Za-z0-9+/]{32,}$/.test(plain) && plain.length % 4 !== 1 ? Buffer.from(plain, 'base64') : undefined
}

function hexOf(text: string): Uint8Array | undefined {
  const plain = text.replace(/[\s:]+/g, '')
  return /^(?:[0-9a-f]{2}){32,}$/i.test(plain) ? Buffer.from(plain, 'hex') : undefined
}

function unescaped(text: string): string {
  return text
    .replaceAll('\\/', '/')
    .replace(/\\u00([0-9a-f]{2})|&#x([0-9a-f]{2});|&#(\d{2});/gi, (_, json, hex, decimal) =>
      String.fromCharCode(decimal === undefined ? Number.parseInt(json ?? hex, 16) : Number(decimal)),
    )
    .replace(/\\r|\\n/g, '')
}

function attempt<Value>(run: () => Value): Value | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}
