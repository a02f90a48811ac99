import type { createCharts } from './charts.ts'
import { toCurl, toFixture } from './copies.ts'
import type { Entry } from './entry.ts'
import { readPage } from './page-file.ts'
import { type ConsoleResponse, eventStream, json, page, text } from './response.ts'
import type { Ring } from './ring.ts'
import type { Sender } from './send.ts'
import type { Hub } from './stream.ts'
import type { Detail, OutboxState, SendCommand } from './wire.ts'
import { SEND_SCENARIOS } from './wire.ts'

/** What the routes need. */
export interface Parts {
  readonly ring: Ring
  readonly hub: Hub
  readonly charts: ReturnType<typeof createCharts>
  readonly sender: Sender
  readonly detailOf: (entry: Entry, options: { readonly show: boolean }) => Promise<Detail>
  readonly outbox:
    | {
        readonly read: (options: { readonly show: boolean }) => Promise<OutboxState>
        readonly retry: (id: string) => Promise<unknown>
        readonly discard: (id: string) => Promise<unknown>
      }
    | undefined
}

/** One request, after its host, its origin and its token were checked. */
export interface Call {
  readonly method: string
  /** Below the token, without query string: `api/deliveries/1`. Empty for the page. */
  readonly path: string
  /** Whether the tab shows customer data. */
  readonly show: boolean
  /** The JSON of a POST. */
  readonly body: unknown
}

const NOT_FOUND = text(404, 'Not found')

/** Handles one request of the page. */
export async function respondTo(call: Call, parts: Parts): Promise<ConsoleResponse> {
  const { method, path } = call
  const [area = '', name = '', id = '', action = ''] = path.split('/')
  if (path === '') return method === 'GET' ? await pageResponse() : text(405, 'The method must be GET.')
  if (area !== 'api') return NOT_FOUND
  const isRead = method === 'GET'
  if (name === 'stream' && isRead) return openStream(call, parts)
  if (name === 'charts' && isRead) return json(200, { minutes: parts.charts.read() })
  if (name === 'deliveries' && id !== '') return await deliveryResponse(call, { id, action }, parts)
  if (name === 'send' && !isRead) return await send(call, parts)
  if (name === 'outbox') return await outboxResponse(call, id, parts)
  return NOT_FOUND
}

async function pageResponse(): Promise<ConsoleResponse> {
  const { html, ...hashes } = await readPage()
  return page(html, hashes)
}

function openStream({ show }: Call, { hub }: Parts): ConsoleResponse {
  if (hub.isFull()) return text(503, 'Too many console pages are open. Close one.')
  return eventStream((sink) => hub.open(sink, { show }))
}

async function deliveryResponse(
  { method, show, body }: Call,
  { id, action }: { readonly id: string; readonly action: string },
  { ring, detailOf, sender }: Parts,
): Promise<ConsoleResponse> {
  const entry = ring.get(id)
  if (entry === undefined) return text(404, 'The console no longer has this delivery')
  if (method === 'POST') {
    const mode = memberOf(body, 'mode')
    if (action !== 'replay' || (mode !== 'same' && mode !== 'signed')) return NOT_FOUND
    return json(200, { results: [await sender.replay(entry, mode)] })
  }
  if (action === '') return json(200, await detailOf(entry, { show }))
  if (action !== 'curl' && action !== 'fixture') return NOT_FOUND
  // A copy has the body and the whole signature.
  if (!show) return text(403, 'Show customer data first')
  if (entry.request.body === undefined) return text(410, 'The console no longer has the body of this delivery')
  return json(200, { text: action === 'curl' ? toCurl(entry) : toFixture(entry) })
}

async function send({ body }: Call, { sender }: Parts): Promise<ConsoleResponse> {
  const command = toSendCommand(body)
  return command === undefined
    ? text(400, 'A command is { scenario, as, order }')
    : json(200, { results: await sender.send(command) })
}

function toSendCommand(body: unknown): SendCommand | undefined {
  const [scenario, as, order] = [memberOf(body, 'scenario'), memberOf(body, 'as'), memberOf(body, 'order')]
  const known = SEND_SCENARIOS.find((name) => name === scenario)
  if (known === undefined || (as !== 'peer' && as !== 'client')) return undefined
  if (typeof order !== 'object' || order === null || Array.isArray(order)) return undefined
  return { scenario: known, as, order: order as Readonly<Record<string, unknown>> }
}

async function outboxResponse(
  { method, show, body }: Call,
  action: string,
  { outbox }: Parts,
): Promise<ConsoleResponse> {
  if (outbox === undefined) return NOT_FOUND
  try {
    if (method === 'GET' && action === '') return json(200, await outbox.read({ show }))
    const id = memberOf(body, 'id')
    if (method !== 'POST' || typeof id !== 'string') return NOT_FOUND
    if (action === 'retry') await outbox.retry(id)
    else if (action === 'discard') await outbox.discard(id)
    else return NOT_FOUND
    return json(200, await outbox.read({ show }))
  } catch {
    // The error of a driver can quote anything.
    return text(502, 'The outbox cannot be read or changed. See the output of the process.')
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined
}
