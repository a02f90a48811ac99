import type { ObservedSync } from '../client/observation.ts'
import { collectHeaders, type HeadersInput } from '../protocol/headers.ts'
import type { DeliveryStep, ObservedDelivery } from '../server/observation.ts'

/** The members of an event that a log may have, and the order number beside it. */
export interface EntryEvent {
  readonly logged: Readonly<Record<string, unknown>>
  readonly merchantBizNo: string | undefined
}

export interface EntryMessage {
  readonly headers: () => readonly (readonly [name: string, value: string])[]
  /** Undefined when it was not read, or when it is dropped. */
  body: Uint8Array | undefined
  readonly bodySize: number
}

export interface EntryAttempt {
  /** Milliseconds since the start of the entry. */
  readonly from: number
  readonly signedAt: number | undefined
  readonly receivedAt: number | undefined
  readonly to: number | undefined
}

/** One delivery, or one sync of the client, as the console keeps it. It shares no memory with the application. */
export interface Entry {
  readonly id: string
  version: number
  readonly direction: 'in' | 'out'
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly durationMs: number
  readonly method: string
  readonly path: string
  /** The path that was signed, where it is known. */
  readonly signedPath: string | undefined
  readonly request: EntryMessage
  plaintext: Uint8Array | undefined
  readonly response: (EntryMessage & { readonly status: number }) | undefined
  /** In milliseconds since the start. */
  readonly steps: () => readonly { readonly step: DeliveryStep; readonly at: number }[]
  readonly attempts: readonly EntryAttempt[]
  readonly events: readonly EntryEvent[]
  readonly claims: () => Claims
  /** Its approximate size in memory, in bytes. */
  size: number
}

/** Members of the order as received, whether the message verified or not. */
export interface Claims {
  readonly merchantBizNo?: string
  readonly orderStatus?: string
  readonly orderModifyTime?: number
  readonly requestId?: string
}

/** A larger order is not parsed for the inbox. */
const MAX_PARSED_BYTES = 262_144

interface Identity {
  readonly id: string
  readonly now: number
}

/**
 * Copies what the handler has written. The handler waits for it, so it copies only what would not last: the bytes, and the events
 * without their errors. The rest is computed when a page requests it.
 */
export function deliveryEntry(delivery: ObservedDelivery, { id, now }: Identity): Entry {
  const { startedAt, request, signedPath, plaintext, events, response, steps } = delivery
  const body = copy(delivery.body)
  // Not encrypted: both are the same bytes.
  const clear = plaintext === delivery.body ? body : copy(plaintext)
  const responseBody = copy(response?.body)
  const elapsed = performance.now() - startedAt
  // A late event comes long after the response.
  const ended = steps.findLast(({ step }) => step === 'responded')?.at
  const order = events.find((event) => event.order !== undefined)?.order
  return {
    id,
    version: 0,
    direction: 'in',
    at: Math.round(now - elapsed),
    durationMs: ended === undefined ? elapsed : ended - startedAt,
    method: shorten(request.method, 20),
    path: shorten(request.path, MAX_TEXT),
    signedPath,
    request: messageOf(request.headers, body),
    plaintext: clear,
    response: response && Object.assign(messageOf(response.headers, responseBody), { status: response.status }),
    steps: once(() => steps.map(({ step, at }) => ({ step, at: at - startedAt }))),
    attempts: [],
    events: events.map(toEntryEvent),
    claims: once(() => claimsOf(order ?? parse(clear ?? body))),
    size: sizeOf(body, clear, responseBody),
  }
}

/** Copies what the client has written. The request and the response belong to the last attempt. */
export function syncEntry(sync: ObservedSync, { id, now }: Identity): Entry {
  const { startedAt, plaintext, attempts, events } = sync
  const last = attempts.at(-1)
  const clear = copy(plaintext)
  const body = last?.body === plaintext ? clear : copy(last?.body)
  const responseBody = copy(last?.response?.body)
  const elapsed = performance.now() - startedAt
  return {
    id,
    version: 0,
    direction: 'out',
    at: Math.round(now - elapsed),
    durationMs: elapsed,
    method: 'POST',
    path: last?.path ?? '',
    signedPath: last?.path,
    request: messageOf(last?.headers ?? {}, body),
    plaintext: clear,
    response:
      last?.response && Object.assign(messageOf(last.response.headers, responseBody), { status: last.response.status }),
    steps: () => [],
    attempts: attempts.slice(-20).map((attempt) => ({
      from: attempt.startedAt - startedAt,
      signedAt: since(attempt.signedAt, startedAt),
      receivedAt: since(attempt.receivedAt, startedAt),
      to: since(attempt.endedAt, startedAt),
    })),
    events: events.slice(-40).map(toEntryEvent),
    claims: once(() => claimsOf(parse(clear))),
    size: sizeOf(body, clear, responseBody),
  }
}

/** Drops the bodies, and keeps the line of the inbox. */
export function dropBodies(entry: Entry): void {
  // While they can still be read.
  entry.claims()
  entry.request.body = undefined
  entry.plaintext = undefined
  if (entry.response !== undefined) entry.response.body = undefined
  entry.size = ENTRY_BYTES
}

/** What Node.js accepts by default: a replay needs every header whole. */
const MAX_TEXT = 16_384
const MAX_HEADERS = 2_000
/** An upper estimate of the memory of an entry without its bodies. */
const ENTRY_BYTES = 8_192

function sizeOf(body: Uint8Array | undefined, clear: Uint8Array | undefined, response: Uint8Array | undefined): number {
  const clearSize = clear === body ? 0 : (clear?.length ?? 0)
  return ENTRY_BYTES + (body?.length ?? 0) + clearSize + (response?.length ?? 0)
}

function messageOf(headers: HeadersInput, body: Uint8Array | undefined): EntryMessage {
  return { headers: once(() => headersOf(headers)), body, bodySize: body?.length ?? 0 }
}

/** Computes a value on first access. */
function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** A copy: the bytes of a small body are a part of the buffer of its connection, which would be kept whole. */
const copy = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes)

const since = (at: number | undefined, start: number) => (at === undefined ? undefined : at - start)

function shorten(text: unknown, length: number): string {
  return typeof text === 'string' ? text.slice(0, length) : ''
}

function headersOf(headers: HeadersInput): [string, string][] {
  try {
    return [...collectHeaders(headers)]
      .slice(0, MAX_HEADERS)
      .map(([name, value]) => [shorten(name, 200), shorten(value, MAX_TEXT)])
  } catch {
    // The mounting is wrong, and the event reports it.
    return []
  }
}

function toEntryEvent(event: object & { readonly merchantBizNo?: string | undefined }): EntryEvent {
  return { logged: { ...event }, merchantBizNo: event.merchantBizNo }
}

function claimsOf(order: unknown): Claims {
  if (typeof order !== 'object' || order === null) return {}
  const { merchantBizNo, orderStatus, orderModifyTime, requestId } = order as Record<string, unknown>
  return {
    ...(typeof merchantBizNo === 'string' && { merchantBizNo: merchantBizNo.slice(0, 256) }),
    ...(typeof orderStatus === 'string' && { orderStatus: orderStatus.slice(0, 64) }),
    ...(typeof orderModifyTime === 'number' && { orderModifyTime }),
    ...(typeof requestId === 'string' && { requestId: requestId.slice(0, 64) }),
  }
}

function parse(bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined || bytes.length > MAX_PARSED_BYTES) return undefined
  const text = new TextDecoder().decode(bytes)
  try {
    return JSON.parse(text)
  } catch {
    // A body that was changed in transit: developers search for it by its order number.
    const [, merchantBizNo] = /"merchantBizNo"\s*:\s*"([^"\\]{1,256})"/.exec(text) ?? []
    return { merchantBizNo }
  }
}
