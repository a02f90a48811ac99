import { ProtocolError } from '../errors.ts'
import { ORDER_SYNC_METHOD } from '../protocol/endpoint.ts'
import {
  type MessageHead,
  type MessageKind,
  parseMessageHead,
  requireHeader,
  timeHeaderOf,
} from '../protocol/headers.ts'
import { assertFresh } from '../protocol/time.ts'
import type { ParsedCredentials } from '../secure-message/credentials.ts'
import { assertSigned } from '../secure-message/verify.ts'
import { type ExplainedMessage, instantOf } from './explained-message.ts'

/** The errors that the handler or the client finds, in their sequence. */
export interface Checks {
  readonly errors: readonly ProtocolError[]
  /** Whether the signature verifies, even if other rules are broken. */
  readonly isSigned: boolean
  readonly isFresh: boolean
}

/** Verifies a message like the handler and the client, but continues after an error. */
export async function check(
  { direction, method, path, headers, body }: ExplainedMessage,
  credentials: ParsedCredentials,
  limits: { readonly now: number; readonly clockToleranceSeconds: number },
): Promise<Checks> {
  const errors: ProtocolError[] = []
  const run = <Value>(step: () => Value): Value | undefined => {
    try {
      return step()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      errors.push(error)
      return undefined
    }
  }
  run(() => assertMethod(direction, method))
  run(() => assertClientId(headers, credentials))
  const head = run(() => parseMessageHead(headers, direction))
  const header = timeHeaderOf(direction)
  const before = errors.length
  const sentAt = head?.sentAt ?? instantOf(headers.get(header.toLowerCase()))
  if (sentAt !== undefined) run(() => assertFresh(sentAt, { ...limits, header }))
  const isFresh = sentAt !== undefined && errors.length === before
  const isSigned = head !== undefined && (await isSignedBy({ method, path, head, body }, credentials, errors))
  return { errors, isSigned, isFresh }
}

async function isSignedBy(
  message: { method: string; path: string; head: MessageHead; body: Uint8Array },
  credentials: ParsedCredentials,
  errors: ProtocolError[],
): Promise<boolean> {
  try {
    await assertSigned(message, credentials)
    return true
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    errors.push(error)
    return false
  }
}

function assertMethod(direction: MessageKind, method: string): void {
  if (direction === 'response' || method.toUpperCase() === ORDER_SYNC_METHOD) return
  throw new ProtocolError('ERR_METHOD', `The method is not ${ORDER_SYNC_METHOD}.`)
}

function assertClientId(headers: ReadonlyMap<string, string>, { clientId }: ParsedCredentials): void {
  if (requireHeader(headers, 'Client-Id') === clientId) return
  throw new ProtocolError('ERR_CLIENT_UNKNOWN', 'The Client-Id header is not the "clientId" of the credentials.')
}
