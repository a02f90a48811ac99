/**
 * The format of a message: headers, times, strict JSON, and the content that a signature covers. Pure functions.
 *
 * @packageDocumentation
 */
export {
  type EncryptHeader,
  formatEncryptHeader,
  formatSignatureHeader,
  type HeaderEntry,
  type HeadersInput,
  type HeaderValue,
  parseEncryptHeader,
  parseSignatureHeader,
  type SignatureAlgorithm,
  type SignatureHeader,
} from '../protocol/headers.ts'
export { formatJson, type JsonLimits, parseJson } from '../protocol/json.ts'
export { type SignedHead, signedContent } from '../protocol/signed-content.ts'
export { formatTime, parseTime } from '../protocol/time.ts'
