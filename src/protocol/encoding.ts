import { Buffer } from 'node:buffer'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** Decodes UTF-8, or returns undefined when the bytes are not UTF-8. Keeps a byte order mark: JSON rejects it. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Encodes text as UTF-8. The array has its own memory: small Buffers share a pool, which holds other orders too. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Encodes bytes as standard base64, with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** Decodes standard, padded, canonical base64 (RFC 4648 section 4), or returns undefined for any other text. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64')
  // Node's decoder skips characters that it does not know. Only canonical text survives the round trip unchanged.
  return bytes.toString('base64') === text ? bytes : undefined
}

/** Like {@link decodeBase64}, but accepts both alphabets, with or without padding. Rejects a mix of the alphabets. */
export function decodeAnyBase64(text: string): Uint8Array | undefined {
  if (!/[-_]/.test(text)) return decodeBase64(withPadding(text))
  if (/[+/]/.test(text)) return undefined
  return decodeBase64(withPadding(text.replaceAll('-', '+').replaceAll('_', '/')))
}

/** Text that has some padding stays unchanged, so that {@link decodeBase64} rejects wrong padding. */
function withPadding(text: string): string {
  return text.endsWith('=') ? text : text + '='.repeat(-text.length & 3)
}
