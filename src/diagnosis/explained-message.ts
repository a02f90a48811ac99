import { isOrderSyncError } from '../errors.ts'
import { ORDER_SYNC_METHOD, ORDER_SYNC_PATH } from '../protocol/endpoint.ts'
import { collectHeaders, type MessageKind, parseSignatureHeader } from '../protocol/headers.ts'
import { parseTime } from '../protocol/time.ts'
import type { Capture } from './capture/captured-message.ts'

/** A captured message, ready to be verified. */
export interface ExplainedMessage {
  readonly direction: MessageKind
  readonly method: string
  readonly path: string
  readonly otherPaths: readonly string[]
  readonly headers: ReadonlyMap<string, string>
  readonly rawHeaders: Capture['headers']
  readonly body: Uint8Array
}

/** What the options add to the capture. */
interface Known {
  readonly direction?: MessageKind | undefined
  readonly method?: string | undefined
  readonly path?: string | undefined
}

/** Fills what a capture does not show with the values of the protocol. */
export function toMessage(capture: Capture, { direction, method, path }: Known): ExplainedMessage {
  const headers = collectHeaders(capture.headers)
  const isResponse = headers.has('response-time') && !headers.has('request-time')
  const captured = capture.path === undefined ? undefined : toOriginForm(capture.path)
  const signedPath = path ?? captured ?? ORDER_SYNC_PATH
  return {
    direction: direction ?? capture.direction ?? (isResponse ? 'response' : 'request'),
    method: method ?? capture.method ?? ORDER_SYNC_METHOD,
    path: signedPath,
    otherPaths: [captured, capture.path].filter(
      (known): known is string => known !== undefined && known !== signedPath,
    ),
    headers,
    rawHeaders: capture.headers,
    body: capture.body,
  }
}

/** Like the handler, takes the path and query of a request-target in absolute form. */
function toOriginForm(target: string): string {
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/is.exec(target) ?? []
  if (rest === undefined) return target
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** The time of a text in milliseconds since the epoch, if it is one. */
export function instantOf(text: string | undefined): number | undefined {
  try {
    return text === undefined ? undefined : parseTime(text)
  } catch {
    return undefined
  }
}

/** Whether a `Signature` header has the form of the protocol. */
export function isSignatureReadable(headers: ReadonlyMap<string, string>): boolean {
  try {
    parseSignatureHeader(headers.get('signature') ?? '')
    return true
  } catch (error) {
    if (isOrderSyncError(error)) return false
    throw error
  }
}
