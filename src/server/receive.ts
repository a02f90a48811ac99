import { parseMessageHead } from '../protocol/headers.ts'
import { assertFresh } from '../protocol/time.ts'
import type { ParsedCredentials } from '../secure-message/credentials.ts'
import type { ReceivedMessage } from '../secure-message/verify.ts'
import { type Ended, endUnverified } from './ended.ts'
import type { IncomingRequest } from './http.ts'
import { type Identified, identify, type ReceiveContext } from './identify.ts'
import { noteStep } from './observation.ts'
import type { NotAccepted } from './outcome.ts'
import type { VerifySettings } from './verify-options.ts'

/** A request with checked headers and a complete body. Nothing is verified yet. */
export interface Received {
  readonly kind: 'received'
  readonly credentials: ParsedCredentials
  readonly message: ReceivedMessage
  readonly headers: ReadonlyMap<string, string>
}

type Settings = Pick<VerifySettings<unknown>, 'credentials' | 'signedPath' | 'now' | 'clockToleranceSeconds'>

/** Step 1: checks the headers, looks up the credentials of the caller, and reads the body. */
export async function receive(
  request: IncomingRequest,
  context: ReceiveContext,
  settings: Settings,
): Promise<Received | Ended<NotAccepted>> {
  const identified = await identify(request, context, settings)
  return identified.kind === 'ended' ? identified : await readMessage(identified, request, context, settings)
}

async function readMessage(
  { credentials, method, path, headers, place }: Identified,
  request: IncomingRequest,
  { abort, trace }: ReceiveContext,
  { now, clockToleranceSeconds }: Settings,
): Promise<Received | Ended<NotAccepted>> {
  try {
    if (trace.observed !== undefined) trace.observed.signedPath = path
    // Inside the `try`: the body may be a getter that throws.
    const { body: given } = request
    const head = parseMessageHead(headers, 'request')
    const received = now()
    trace.clockSkewMs = head.sentAt - received
    assertFresh(head.sentAt, { now: received, clockToleranceSeconds, header: 'Request-Time' })
    trace.encrypted = head.encrypt !== undefined
    // A header without a version means the latest key. Keep an unknown version: the event shows it.
    const keyVersion = credentials.peerPublicKeys.get(head.signature.keyVersion)?.version ?? head.signature.keyVersion
    if (keyVersion !== undefined) trace.keyVersion = keyVersion
    trace.waiting = 'body'
    if (trace.observed !== undefined) trace.observed.isBodyTaken = true
    const body = await abort.beforeTimeout(place.read(given, { request, connection: abort.connection }))
    if (trace.observed !== undefined) trace.observed.body = body
    noteStep(trace, 'received')
    return { kind: 'received', credentials, headers, message: { method, path, head, body } }
  } catch (error) {
    return endUnverified(error, credentials)
  } finally {
    place.leave()
  }
}
