import type { EncryptionOptions } from '../crypto/envelope.ts'
import { notify } from '../notify.ts'
import type { Credentials } from '../secure-message/credentials.ts'
import type { HttpResponse, IncomingRequest } from './http.ts'

/** A step of a delivery that has ended. */
export type DeliveryStep =
  /** The headers are checked, and the body is complete. */
  | 'received'
  | 'verified'
  | 'decrypted'
  | 'validated'
  /** The store has decided whether the event is new. */
  | 'decided'
  /** `onOrder` was called. */
  | 'onOrder'
  /** `onOrder` has ended. */
  | 'onOrderEnded'
  | 'stored'
  /** The outcome is known: it is reported, and the response is made. */
  | 'concluded'
  /** The response is made. */
  | 'responded'

/** The members of an event that an observer reads. Not the type of the events: they know this file. */
export interface ObservedEvent {
  readonly kind: string
  readonly code: string
  /** Customer data; not enumerable. */
  readonly merchantBizNo?: string | undefined
  /** Customer data; not enumerable. */
  readonly order?: object | undefined
}

/** One delivery, up to the current step. The handler writes it, and the observer reads it. */
export interface ObservedDelivery {
  /** From `performance.now()`, in milliseconds. */
  readonly startedAt: number
  readonly request: Pick<IncomingRequest, 'method' | 'path' | 'headers'>
  /** The path for which the signature is verified. Absent if the headers were rejected before. */
  signedPath?: string
  /** Whether the handler has begun to read the body. */
  isBodyTaken?: true
  /** The received body. Absent if it was not read. */
  body?: Uint8Array
  /** The body after decryption. Absent when it did not verify, or could not be decrypted. */
  plaintext?: Uint8Array
  readonly steps: { readonly step: DeliveryStep; readonly at: number }[]
  /** The event of the outcome, and `late` or `unavailable` after it. */
  readonly events: ObservedEvent[]
  response?: HttpResponse
}

/** What an observer knows about the handler itself. */
export interface ObservedHandler {
  /** The option of the handler. */
  readonly credentials: Credentials | ((clientId: string) => unknown)
  readonly signedPath: string | ((request: IncomingRequest) => string) | undefined
  readonly encryption: EncryptionOptions | undefined
  readonly clockToleranceSeconds: number
  /** Ends the observation. */
  readonly stop: () => void
}

/** Called when a delivery has a response, and again after a later event. Errors that it throws are ignored. */
export type DeliveryObserver = (delivery: ObservedDelivery) => void

/** The method OBSERVE of a handler. */
export type ObserveHandler = (observer: DeliveryObserver) => ObservedHandler

/** Keeps the observers of a handler. Without one, a delivery costs one comparison. */
export function createObservers() {
  const observers = new Set<DeliveryObserver>()
  return {
    /** Undefined without an observer. */
    start(request: IncomingRequest, startedAt: number): ObservedDelivery | undefined {
      if (observers.size === 0) return undefined
      const { method, path, headers } = request ?? {}
      return { startedAt, request: { method, path, headers }, steps: [], events: [] }
    },
    publish(delivery: ObservedDelivery | undefined): void {
      if (delivery === undefined) return
      for (const observer of observers) notify(observer, delivery, () => {})
    },
    add(observer: DeliveryObserver): () => void {
      observers.add(observer)
      return () => void observers.delete(observer)
    },
  }
}

/** Records the end of a step, if there is an observer. */
export function noteStep({ observed }: { readonly observed?: ObservedDelivery }, step: DeliveryStep): void {
  observed?.steps.push({ step, at: performance.now() })
}

/** The limits for reading a body that the handler did not need. */
const UNREAD_LIMITS = { bytes: 1_048_576, ms: 1_000 } as const

/**
 * Reads the body of a request that was rejected for its headers, so that the console can show it. Bounded in size and
 * time. If the body cannot be read, it stays absent. Never rejects.
 */
export async function readUnread(observed: ObservedDelivery | undefined, request: IncomingRequest): Promise<void> {
  if (observed === undefined || observed.isBodyTaken) return
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, UNREAD_LIMITS.ms, undefined)
  })
  try {
    const body = await Promise.race([readBounded(request.body), late])
    if (body !== undefined) observed.body = body
  } catch {
    // The peer has disconnected, or another reader has the body.
  } finally {
    clearTimeout(timer)
  }
}

async function readBounded(body: IncomingRequest['body']): Promise<Uint8Array | undefined> {
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return body
  if (body instanceof ArrayBuffer) return new Uint8Array(body)
  if (typeof body !== 'object' || body === null) return undefined
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    if (typeof chunk === 'symbol') return undefined
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : new Uint8Array(chunk)
    size += bytes.length
    if (size > UNREAD_LIMITS.bytes) return undefined
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}
