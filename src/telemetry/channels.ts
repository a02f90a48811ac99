import * as diagnostics from 'node:diagnostics_channel'
import { describeFailure, isOrderSyncError } from '../errors.ts'
import { notify } from '../notify.ts'

/** The subject of each tracing channel: `tracing:alipayhk-order-sync:NAME:start`, `:asyncEnd`, `:error` … */
export interface TraceContexts {
  /** One request in the handler, from its headers to its response. */
  handle: { tracerId?: string; kind?: string; code?: string; status?: number }
  /** The signature of one message is verified. */
  verify: { clientId: string; keyVersion?: string | undefined }
  /** One message is decrypted. */
  decrypt: { clientId: string; keyVersion?: string | undefined }
  /** One call of the store. */
  store: { operation: string; decision?: string }
  /** One call of `onOrder`. */
  onOrder: { clientId: string; requestId: string; tracerId: string; orderKey: string }
  /** One message is signed. */
  sign: { clientId: string; keyVersion: string; message: 'request' | 'response' }
  /** One attempt of the client, from signing to the verified response. */
  send: { clientId: string; requestId: string; host: string; attempt: number; status?: number; code?: string }
  /** One event of an outbox is sent. */
  outbox: { requestId: string; attempt: number }
}

export type TraceName = keyof TraceContexts

/** A context as subscribers see it. It contains no secret and no customer data. */
export type TraceContext<Name extends TraceName = TraceName> = TraceContexts[Name] & {
  /**
   * A subscriber of `start` may set it: it runs the work, for example in the context of a span. It must call `work` before it
   * returns; otherwise the work runs without it.
   */
  run?: <Value>(work: () => Promise<Value>) => Promise<Value>
}

export const CHANNEL_PREFIX = 'alipayhk-order-sync'
export const TRACE_NAMES = ['handle', 'verify', 'decrypt', 'store', 'onOrder', 'sign', 'send', 'outbox'] as const

type Channel = ReturnType<typeof diagnostics.tracingChannel>

/** Some runtimes have the module without tracing channels. */
const create = (diagnostics as { tracingChannel?: typeof diagnostics.tracingChannel }).tracingChannel

const channels = new Map<TraceName, Channel>()

function channelOf(name: TraceName): Channel | undefined {
  if (create === undefined) return undefined
  let channel = channels.get(name)
  if (channel === undefined) {
    channel = create(`${CHANNEL_PREFIX}:${name}`)
    channels.set(name, channel)
  }
  return channel
}

/**
 * Runs work inside a tracing channel of node:diagnostics_channel. Without a subscriber it costs a look-up. Subscribers see the
 * context, and the error of this package or the class of a foreign one: never the result, which is customer data.
 *
 * @param describe Creates the context. Called only when there is a subscriber.
 */
export function traced<Name extends TraceName, Value>(
  name: Name,
  describe: () => TraceContexts[Name],
  work: (context: TraceContexts[Name] | undefined) => Promise<Value>,
): Promise<Value> {
  const channel = channelOf(name)
  return channel?.hasSubscribers ? trace<TraceContexts[Name], Value>(channel, describe(), work) : work(undefined)
}

async function trace<Context extends object, Value>(
  channel: Channel,
  context: Context & { run?: TraceContext['run'] },
  work: (context: Context) => Promise<Value>,
): Promise<Value> {
  let running: Promise<Value> | undefined
  // Run the work once, even if a subscriber calls it several times or not at all.
  const runOnce = () => {
    running ??= (async () => await work(context))()
    return running
  }
  const published = async () => {
    try {
      await runOnce()
    } catch (error) {
      throw toPublishedError(error)
    }
  }
  /** Not an unhandled rejection if the subscriber drops it: the caller gets the same error. */
  const offered = () => {
    const ended = published()
    ended.catch(() => {})
    return ended
  }
  const enter = async () => {
    // Not awaited: `run` only enters a context. The order must not wait for a subscriber.
    if (context.run) notify(context.run, offered, () => {})
    await published()
  }
  await channel.tracePromise(enter, context).catch(() => {})
  return await runOnce()
}

/** An error without its members: they can contain text of the peer and errors of the merchant's code. */
function toPublishedError(error: unknown): Error {
  if (!isOrderSyncError(error)) return new Error(describeFailure(error))
  const { name, code, message } = error
  return Object.assign(new Error(message), { name, code })
}

/** Every event of a handler: `alipayhk-order-sync:event`. */
export function eventChannel(): ReturnType<typeof diagnostics.channel> {
  events ??= diagnostics.channel(`${CHANNEL_PREFIX}:event`)
  return events
}

let events: ReturnType<typeof diagnostics.channel> | undefined
