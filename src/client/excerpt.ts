import { printable } from '../errors.ts'

/**
 * The beginning of an answer that nobody vouches for, fit to be shown: enough to recognise a proxy's error page by,
 * with everything masked that could be an id, an address, a token or a key.
 */
export function excerptOf(body: Uint8Array): string {
  const text = printable(new TextDecoder().decode(body.subarray(0, 1_000)), 1_000)
  return text
    .replace(/\s+/g, ' ')
    .replace(/\S+@\S+/g, '…')
    .replace(/\d{5,}/g, '…')
    .replace(/[\w+/=%-]{24,}/g, '…')
    .slice(0, 200)
}
