import { Buffer } from 'node:buffer'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** The text that the bytes are, or undefined when they are not UTF-8. A byte order mark is kept, for JSON to refuse. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** The UTF-8 bytes of a text, in memory of their own: small Buffers share theirs, with orders of others in it. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Standard base64, padded. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** The bytes of standard, padded, canonical base64 (RFC 4648 section 4), or undefined when the text is anything else. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64')
  // Node's decoder skips what it does not know; only canonical text comes back as it was.
  return bytes.toString('base64') === text ? bytes : undefined
}

/** Like {@link decodeBase64}, for either alphabet, padded or not; never for a mixture of the two alphabets. */
export function decodeAnyBase64(text: string): Uint8Array | undefined {
  const padding = '='.repeat(-text.length & 3)
  if (!/[-_]/.test(text)) return decodeBase64(text.endsWith('=') ? text : text + padding)
  if (/[+/]/.test(text)) return undefined
  const standard = text.replaceAll('-', '+').replaceAll('_', '/')
  return decodeBase64(standard.endsWith('=') ? standard : standard + padding)
}
