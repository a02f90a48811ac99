import type { ResolvedEncryptionOptions } from '../crypto/envelope.ts'
import { encodeUtf8 } from '../protocol/encoding.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import { CONTENT_TYPES } from '../protocol/headers.ts'
import { formatTime } from '../protocol/time.ts'
import { type ParsedCredentials, requireEncryptionKey } from '../secure-message/credentials.ts'
import { type Encryption, secureMessage } from '../secure-message/secure.ts'
import { waitFor } from '../timeout.ts'
import { isOwnSideError, type OwnSideError, signerThrew, signerTimedOut, toOwnSideError } from './failures.ts'
import type { HttpResponse } from './http.ts'
import { type StatusAndResponse, toResponse } from './outcome.ts'

/** Who receives a response. Only a client whose request has verified gets a signed one. */
export type Recipient =
  | { readonly kind: 'stranger' }
  | {
      readonly kind: 'client'
      readonly credentials: ParsedCredentials
      /** Of the request: the response is signed over them. */
      readonly method: string
      readonly path: string
      /** Whether the request has an `Encrypt` header. */
      readonly isEncrypted: boolean
      /** The size of the AES key of the request: its sender may not be able to decrypt a larger one. */
      readonly aesBits?: ResolvedEncryptionOptions['aesBits']
    }

export const STRANGER: Recipient = { kind: 'stranger' }

interface ResponseSettings {
  readonly now: () => number
  readonly timeoutMs: number
  readonly encryption: Encryption
}

/**
 * Turns a response into an HTTP response: signed for a verified client, and encrypted if the request was.
 *
 * @throws {@link HandlerError} `ERR_SIGNER`, `ERR_OPTION`
 */
async function respond(
  response: StatusAndResponse,
  recipient: Recipient,
  settings: ResponseSettings,
  tracerId: string,
): Promise<HttpResponse> {
  if (recipient.kind === 'stranger') return respondUnsigned(response, settings, tracerId)
  const { credentials, method, path, isEncrypted, aesBits } = recipient
  const { options, randomBytes } = settings.encryption
  const securing = secureMessage(
    {
      kind: 'response',
      method,
      path,
      now: settings.now(),
      plaintext: encodeUtf8(response.response.text),
      encryptTo: isEncrypted ? requireEncryptionKey(credentials) : undefined,
    },
    credentials,
    { options: aesBits === undefined ? options : { ...options, aesBits }, randomBytes },
  )
  const { timeoutMs } = settings
  const secured = credentials.signingKey.key.isRemote
    ? waitFor(() => securing, { timeoutMs, onTimeout: () => signerTimedOut(timeoutMs) })
    : securing
  const { headers, body } = await secured.catch((error: unknown) => {
    throw isOwnSideError(error) ? error : signerThrew('sign', error)
  })
  return { status: response.status, headers: withAllow({ 'Tracer-Id': tracerId, ...headers }, response), body }
}

/** A response, and the failure on this side that left it unsigned, if there was one. */
export interface Responded {
  readonly httpResponse: HttpResponse
  readonly failure?: OwnSideError
}

/**
 * Like {@link respond}. If the signer or the clock fails, the response is an unsigned HTTP 500. A processed order is stored by
 * then, and the next delivery gets its response.
 *
 * @param tracerId Sent back, so that both sides can find the request in their logs.
 */
export async function respondOrFail(
  response: StatusAndResponse,
  recipient: Recipient,
  settings: ResponseSettings & { readonly alwaysStatus200: boolean },
  tracerId: string,
): Promise<Responded> {
  try {
    return { httpResponse: await respond(response, recipient, settings, tracerId) }
  } catch (error) {
    const failure = toOwnSideError(error)
    return { httpResponse: respondUnavailable(failure, settings, tracerId), failure }
  }
}

/** The unsigned response after a failure on this side. */
export function respondUnavailable(
  error: OwnSideError,
  settings: Pick<ResponseSettings, 'now'> & { readonly alwaysStatus200: boolean },
  tracerId: string,
): HttpResponse {
  return respondUnsigned(toResponse({ kind: 'unavailable', error }, settings), settings, tracerId)
}

/** An unsigned response: the request did not verify, or the signer fails. */
function respondUnsigned(
  response: StatusAndResponse,
  settings: Pick<ResponseSettings, 'now'>,
  tracerId: string,
): HttpResponse {
  const headers = { 'Content-Type': CONTENT_TYPES.json, ...responseTime(settings), 'Tracer-Id': tracerId }
  return {
    status: response.status,
    headers: withAllow(headers, response),
    body: encodeUtf8(response.response.text),
  }
}

/** RFC 9110 section 15.5.6: a 405 names the allowed methods. */
function withAllow(headers: HttpResponse['headers'], { status }: StatusAndResponse): HttpResponse['headers'] {
  return status === 405 ? { ...headers, Allow: ORDER_SYNC_METHOD } : headers
}

/** Absent if the clock fails: the response must be sent anyway. */
function responseTime({ now }: { now: () => number }): { 'Response-Time'?: string } {
  try {
    return { 'Response-Time': formatTime(now()) }
  } catch {
    return {}
  }
}
