import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ObserveClient, ObservedSync } from '../client/observation.ts'
import { notify } from '../notify.ts'
import type { Credentials } from '../secure-message/credentials.ts'
import type { ObservedDelivery, ObserveHandler } from '../server/observation.ts'
import { OBSERVE } from '../telemetry/observe.ts'
import { waitFor } from '../timeout.ts'
import { type Parts, respondTo } from './api.ts'
import { createCharts } from './charts.ts'
import { toDetail } from './detail.ts'
import { deliveryEntry, type Entry, syncEntry } from './entry.ts'
import { isSameToken, refusalOf } from './guard.ts'
import { type ConsoleOptions, type RecordedDelivery, resolveConsoleOptions } from './options.ts'
import { outboxParts } from './outbox.ts'
import { type ConsoleResponse, redirect, text } from './response.ts'
import { createRing } from './ring.ts'
import { toRow } from './row.ts'
import { createSender } from './send.ts'
import { type ConsoleRequest, fromNode, fromWeb, sendNode, toWeb } from './shells.ts'
import { createHub } from './stream.ts'

/** Made by {@link createConsole}. */
export interface OrderSyncConsole {
  /** Where the page is: the base path, the token and a slash. Print it with the origin of your server. Anyone who knows it can see every order. */
  readonly path: string
  /**
   * For `node:http`, and as middleware for Connect and Express. A request for another path is passed to `next`; without `next` it
   * gets 404.
   */
  readonly listener: (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void
  /** The same for the web standard. A request for another path gets 404. */
  readonly fetch: (request: Request) => Promise<Response>
  /** Starts a server for the console alone, on 127.0.0.1. @defaultValue a free port */
  readonly listen: (options?: { readonly port?: number | undefined }) => Promise<{
    /** The address of the page, with the token. */
    readonly url: string
    readonly close: () => Promise<void>
  }>
  /** Ends the observation, and the connections of open pages. */
  readonly close: () => void
}

/** How long the merchant's credentials lookup may take. */
const LOOKUP_MS = 5_000
/** How long the body of a command may take to arrive. */
const BODY_MS = 10_000

/**
 * Creates a development console: a web page that shows received and sent orders, and why one was rejected. For
 * development and staging: it shows customer data, and can send orders.
 *
 * It requires its random token, and accepts only browsers on this machine unless you set `allowedHosts`. It keeps
 * the last 500 deliveries in memory, and nothing in files.
 *
 * @throws TypeError, RangeError when an option is wrong, or a handler or client is not from this package
 * @throws {@link ConfigurationError} for the credentials of `peer`
 * @see docs/protocol.md sections 3.4 and 7.1
 * @example
 * ```ts
 * import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
 * import type { OrderSyncHandler } from 'alipayhk-order-sync'
 * import { createConsole } from 'alipayhk-order-sync/console'
 * import { toNodeListener } from 'alipayhk-order-sync/node'
 *
 * export function serve(handler: OrderSyncHandler) {
 *   const page = createConsole({ handler })
 *   const listener = toNodeListener(handler)
 *   createServer((request, response) => {
 *     page.listener(request, response, () => listener(request, response))
 *   }).listen(3000, '127.0.0.1')
 *   process.stdout.write(`console: http://127.0.0.1:3000${page.path}\n`)
 * }
 * ```
 */
export function createConsole(options: ConsoleOptions): OrderSyncConsole {
  const settings = resolveConsoleOptions(options)
  const { handler, client, outbox, peer, record, basePath, allowedHosts, now } = settings
  const token = Buffer.from(settings.randomBytes(24)).toString('base64url')
  const salt = Buffer.from(settings.randomBytes(16)).toString('base64url')
  const ring = createRing({ capacity: settings.maxDeliveries, maxBytes: settings.maxBytes })
  const charts = createCharts()
  const rowOf = (entry: Entry, { show }: { readonly show: boolean }) => toRow(entry, { show, salt })
  let isClosed = false
  let count = 0

  /** The entry of what is observed: a later event changes it. */
  const ids = new WeakMap<object, string>()

  function keep(observed: object, toEntry: (identity: { id: string; now: number }) => Entry): void {
    if (isClosed) return
    const known = ids.get(observed)
    const id = known ?? (++count).toString(36)
    const entry = toEntry({ id, now: now() })
    // The ring may have dropped it: do not add it again as a new entry.
    if (known !== undefined && ring.get(known) === undefined) return
    ids.set(observed, id)
    ring.put(entry)
    if (known === undefined) {
      charts.count(entry)
      if (record !== undefined && entry.direction === 'in') notify(record, toRecorded(entry), () => {})
    }
    hub.changed()
  }

  const observedHandler = observeWith<ObserveHandler>(handler)?.((delivery: ObservedDelivery) =>
    keep(delivery, (identity) => deliveryEntry(delivery, identity)),
  )
  const observedClient = observeWith<ObserveClient>(client)?.((sync: ObservedSync) =>
    keep(sync, (identity) => syncEntry(sync, identity)),
  )

  const signedPath = typeof observedHandler?.signedPath === 'string' ? observedHandler.signedPath : undefined
  const sender = createSender({ handler, client, peer, path: signedPath })
  const hub = createHub({
    ring,
    toRow: rowOf,
    about: () => ({
      capacity: settings.maxDeliveries,
      canSendAsPeer: sender.canSendAsPeer,
      hasHandler: handler !== undefined,
      hasClient: client !== undefined,
      hasOutbox: outbox !== undefined,
      isRecording: record !== undefined,
    }),
  })

  const parts: Parts = {
    ...{ ring, hub, charts, sender },
    outbox: outbox && outboxParts(outbox),
    detailOf: async (entry, { show }) =>
      await toDetail(entry, rowOf(entry, { show }), {
        show,
        credentials: await credentialsOf(entry),
        encryption: observedHandler?.encryption,
        clockToleranceSeconds: observedHandler?.clockToleranceSeconds,
        replay: sender.replayOf(entry),
      }),
  }

  /** Of the side that has received the message. */
  async function credentialsOf({ direction, request }: Entry): Promise<Credentials | undefined> {
    if (direction === 'out') return observedClient?.credentials
    const credentials = observedHandler?.credentials
    if (typeof credentials !== 'function') return credentials
    const clientId = request.headers().find(([name]) => name === 'client-id')?.[1]
    if (clientId === undefined) return undefined
    const found = waitFor(async () => await credentials(clientId), { timeoutMs: LOOKUP_MS })
    return ((await found.catch(() => undefined)) ?? undefined) as Credentials | undefined
  }

  async function respond(request: ConsoleRequest): Promise<ConsoleResponse> {
    if (isClosed) return text(503, 'The console is closed')
    const { pathname, show } = request
    const [given = '', ...rest] = pathname.slice(basePath.length + 1).split('/')
    const isPage = rest.join('/') === ''
    const refusal = refusalOf({ ...request.asked, isPage }, allowedHosts)
    if (refusal !== undefined) return text(refusal.status, refusal.message)
    if (!isSameToken(given, token)) return text(404, 'Not found')
    if (rest.length === 0) return redirect(`${basePath}/${token}/`)
    const { method } = request.asked
    let body: unknown
    if (method === 'POST') {
      try {
        body = await waitFor(request.readJson, { timeoutMs: BODY_MS })
      } catch {
        return text(408, 'The body did not arrive in time')
      }
      if (body === undefined) return text(400, 'The body must be JSON, at most 1 MiB')
    }
    try {
      return await respondTo({ method, path: rest.join('/'), show, body }, parts)
    } catch {
      return text(500, 'The console failed')
    }
  }

  const isOurs = (pathname: string) => pathname === basePath || pathname.startsWith(`${basePath}/`)

  const listener: OrderSyncConsole['listener'] = (incoming, response, next) => {
    const request = fromNode(incoming)
    if (isOurs(request.pathname)) {
      respond(request)
        .then((made) => sendNode(made, incoming, response))
        .catch(() => void response.destroy())
    } else if (next !== undefined) next()
    else sendNode(text(404, 'Not found'), incoming, response)
  }

  return {
    path: `${basePath}/${token}/`,
    listener,
    async fetch(incoming) {
      const request = fromWeb(incoming)
      return toWeb(isOurs(request.pathname) ? await respond(request) : text(404, 'Not found'), incoming)
    },
    async listen({ port = 0 } = {}) {
      const server = createServer((incoming, response) => listener(incoming, response))
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, '127.0.0.1', resolve)
      })
      // The console must not keep a finished process alive.
      server.unref()
      const { port: bound } = server.address() as AddressInfo
      return {
        url: `http://127.0.0.1:${bound}${basePath}/${token}/`,
        async close() {
          server.closeAllConnections()
          await new Promise((resolve) => server.close(resolve))
        },
      }
    },
    close() {
      isClosed = true
      observedHandler?.stop()
      observedClient?.stop()
      hub.close()
    },
  }
}

/** The method by which a handler or client is observed. The options are checked: it has one. */
function observeWith<Observe>(observable: object | undefined): Observe | undefined {
  return observable && (Reflect.get(observable, OBSERVE) as Observe)
}

function toRecorded({ id, at, method, path, request, plaintext }: Entry): RecordedDelivery {
  const order = plaintext && parse(plaintext)
  return {
    id: `${at.toString(36)}-${id}`,
    receivedAt: new Date(at).toISOString(),
    ...{ method, path },
    headers: Object.fromEntries(request.headers()),
    bodyBase64: Buffer.from(request.body ?? []).toString('base64'),
    ...(order && { order }),
  }
}

function parse(bytes: Uint8Array): object | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
