/** The fault of a request. */
export type TestFault =
  /** The body is changed after it was signed. */
  | 'body'
  /** One bit of the signature is changed. */
  | 'signature'
  /** The signature is correct, but one hour old. */
  | 'time'
  /** It is signed with an unknown key. */
  | 'wrong-key'
  /** It is signed for another path. */
  | 'another-path'
  /** The `Client-Id` is unknown. */
  | 'client-id'
  /** There is no `Signature` header. */
  | 'unsigned'

/** A request that is ready to be sent. */
export interface SignedRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** How long ago a request with the fault `time` was signed. */
export const OLD_REQUEST_MS = 3_600_000

/** Applies the faults that are added after signing. */
export function tamperWith<Fault extends string>(sent: SignedRequest, fault: Fault | undefined): SignedRequest {
  const { headers, body } = sent
  if (fault === 'body') return { ...sent, body: flipBit(body, body.length - 1) }
  if (fault === 'client-id') return { ...sent, headers: { ...headers, 'Client-Id': 'UNKNOWN' } }
  if (fault === 'unsigned') return { ...sent, headers: withoutHeader(headers, 'Signature') }
  if (fault !== 'signature') return sent
  const [before = '', value = ''] = (headers['Signature'] ?? '').split('signature=')
  const bytes = flipBit(Buffer.from(decodeURIComponent(value), 'base64'), 0)
  const signature = encodeURIComponent(Buffer.from(bytes).toString('base64'))
  return { ...sent, headers: { ...headers, Signature: `${before}signature=${signature}` } }
}

export function withoutHeader(headers: Readonly<Record<string, string>>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([known]) => known !== name))
}

export function withKeyVersion(header: string, keyVersion: string): string {
  // A function: a text could have `$&` in it.
  return header.replace(/keyVersion=[^,]*/, () => `keyVersion=${keyVersion}`)
}

export function flipBit(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))
}
