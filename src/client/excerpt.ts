import { printable } from '../errors.ts'

/**
 * The beginning of an answer that nobody vouches for, fit to be shown: enough to recognise a proxy's error page by,
 * with everything masked that could be an id, an address, a token or a key.
 *
 * @param body The answer; `cut` tells that it goes on after these bytes.
 */
export function excerptOf(body: Uint8Array, { cut = body.length > 1_000 }: { cut?: boolean } = {}): string {
  const text = new TextDecoder().decode(body.subarray(0, 1_000))
  // What was cut off may have been needed to know a token as one.
  return printable(cut ? text.replace(/\S*$/, '') : text, 1_000)
    .replace(/\s+/g, ' ')
    .replace(/\S+@\S+/g, '…')
    .replace(/[\w+/=%-]{24,}/g, '…')
    .replace(/\d{5,}/g, '…')
    .slice(0, 200)
}
