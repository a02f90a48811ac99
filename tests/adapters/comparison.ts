import type { ReceivedResponse } from '../support/http.ts'
import { merchantEcc, merchantRsa } from '../support/keys.ts'
import { isSignedBy, messageOf } from '../support/messages.ts'
import { withLowerCaseHeaders } from './client.ts'
import { createMerchant } from './merchant.ts'
import { type RequestCase, rsaCredentials, type SuiteRequest } from './request-cases.ts'

/**
 * What must be the same on every platform: the result, the signature, and every byte of the body. A body that is
 * encrypted, or signed with ECDSA, is random and is compared by its plaintext.
 */
export function toComparable(
  { status, headers, body }: Omit<ReceivedResponse, 'body'> & { readonly body: Uint8Array },
  { method, path }: Pick<SuiteRequest, 'method' | 'path'>,
) {
  const { encrypt, signature = '' } = headers
  const isEcc = signature.includes('ECC224')
  const message = messageOf({ headers, body }) as { readonly result: { readonly resultCode: string } }
  return {
    status,
    resultCode: message.result.resultCode,
    message,
    signed: isSignedBy({ headers, body }, (isEcc ? merchantEcc() : merchantRsa()).publicKey, { method, path }),
    encrypted: encrypt !== undefined,
    headers: ['client-id', 'content-type', 'response-time'].map((name) => headers[name]),
    ...(encrypt === undefined && !isEcc && { signature, body: Buffer.from(body).toString() }),
  }
}

/** The response of the handler itself, without HTTP. */
export async function respondWithoutHttp(
  { options, earlier }: Pick<RequestCase, 'options' | 'earlier'>,
  request: SuiteRequest,
) {
  const { handler } = createMerchant({ credentials: rsaCredentials(), ...options?.() })
  if (earlier) await handler(earlier())
  return toComparable(withLowerCaseHeaders(await handler(request)), request)
}
