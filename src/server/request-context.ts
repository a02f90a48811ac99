import type { Accepted } from './accept.ts'
import type { RequestTrace } from './trace.ts'

/** What is known about a verified request in addition to its order. */
export interface RequestContext {
  /** The `Client-Id` of the message. */
  readonly clientId: string
  /** The `requestId` of the message. A retry has the same one. */
  readonly requestId: string
  /** The `Tracer-Id` of the response. Taken from the request, if that has a printable one. Log it with your own messages. */
  readonly tracerId: string
  /** The key of the order in a store: a hash of its identifying members, the same for every message about it. */
  readonly orderKey: string
  /** The version of the peer's key that the signature verified with. */
  readonly keyVersion: string
  /** The peer's `Agent-Token` header, if it sent one. */
  readonly agentToken: string | undefined
  /** Whether the message was encrypted. */
  readonly encrypted: boolean
}

export function toRequestContext(
  { credentials, order, orderKey, keyVersion, agentToken, encrypted }: Accepted<unknown>,
  { tracerId }: RequestTrace,
): RequestContext {
  const { clientId } = credentials
  return { clientId, requestId: order.requestId, tracerId, orderKey, keyVersion, agentToken, encrypted }
}
