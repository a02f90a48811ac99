import { maskBody, shownHeader, toVisible } from '../diagnosis/visible.ts'
import type { ShownBytes, ShownHeader } from './wire.ts'

/** The last characters of an id: enough to tell two orders apart on the screen. */
export function maskId(id: string): string {
  const shown = id.length >= 8 ? 4 : id.length >= 5 ? 2 : 0
  return `••••${shown === 0 ? '' : id.slice(-shown)}`
}

/** The maximum number of bytes of a message that are sent to the page. */
export const MAX_SHOWN_BYTES = 65_536

export function shownBytes(
  bytes: Uint8Array | undefined,
  size: number,
  { show }: { readonly show: boolean },
): ShownBytes {
  if (bytes === undefined) return { size, isMasked: !show }
  const cut = (show ? bytes : maskBody(bytes)).subarray(0, MAX_SHOWN_BYTES)
  return { size, base64: Buffer.from(cut).toString('base64'), isMasked: !show }
}

/** Values that give access, or identify the sender. They are never shown. */
const SECRET = /^(?:authorization|proxy-authorization|cookie|set-cookie|agent-token|x-api-key)$|token|secret/i

/** A header as the page shows it: never a whole signature, an encrypted key or a secret. */
export function shownHeaderOf(
  [name, value]: readonly [string, string],
  { show }: { readonly show: boolean },
): ShownHeader {
  const isData = show && !SECRET.test(name) && !/^(?:signature|encrypt)$/i.test(name)
  return { name: toVisible(name), value: isData ? toVisible(value) : shownHeader(name, value) }
}
