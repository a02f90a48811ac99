import type { OrderSyncClient } from '../client/client.ts'
import { secureRandomUUID } from '../crypto/node.ts'
import { isOrderSyncError } from '../errors.ts'
import type { Credentials } from '../secure-message/credentials.ts'
import type { OrderSyncHandler } from '../server/http.ts'
import { createTestPeer, type TestPeer, type TestRequestOptions } from '../testing/test-peer.ts'
import type { Entry } from './entry.ts'
import type { SendCommand, SendScenario, SentResult } from './wire.ts'

/** How many orders a burst has, and how many are in flight at the same time. */
const BURST = { orders: 50, atOnce: 10 } as const
/** How much older the event of the scenario `older` is. */
const OLDER_MS = 60_000

interface Sides {
  readonly handler: OrderSyncHandler | undefined
  readonly client: OrderSyncClient<unknown> | undefined
  readonly peer: Credentials | undefined
  /** The path that the peer signs. */
  readonly path: string | undefined
}

type OrderMembers = Readonly<Record<string, unknown>>

/** Sends orders for the page: to the handler as AlipayHK, or to AlipayHK with the client. */
export function createSender({ handler, client, peer: credentials, path }: Sides) {
  const peer = handler && credentials && createTestPeer(handler, { credentials, path })
  return {
    canSendAsPeer: peer !== undefined,
    async send({ scenario, as, order }: SendCommand): Promise<SentResult[]> {
      if (as === 'client') return [await sendWithClient(client, order)]
      return peer === undefined
        ? [NO_PEER]
        : await SCENARIOS[scenario](order, (...request) => sendAsPeer(peer, ...request))
    },
    /** Sends the bytes of a delivery again, or signs its order again and sends it. */
    async replay(entry: Entry, mode: 'same' | 'signed'): Promise<SentResult> {
      const order = orderOf(entry)
      if (entry.direction === 'out') return await sendWithClient(client, order)
      if (mode === 'same') return await sendSame(handler, entry)
      const encrypt = entry.request.headers().some(([name]) => name === 'encrypt')
      return peer === undefined ? NO_PEER : await sendAsPeer(peer, order, { encrypt })
    },
    replayOf(entry: Entry): { same: boolean; signed: boolean } {
      const hasBody = entry.request.body !== undefined
      if (entry.direction === 'out')
        return { same: false, signed: client !== undefined && orderOf(entry) !== undefined }
      return {
        same: handler !== undefined && hasBody,
        signed: peer !== undefined && hasBody && orderOf(entry) !== undefined,
      }
    },
  }
}

export type Sender = ReturnType<typeof createSender>

const NO_PEER: SentResult = { error: 'The console has no key of the peer. Set the option "peer".' }
const NO_ORDER: SentResult = { error: 'The message has no readable order.' }

type Send = (order: OrderMembers, options?: TestRequestOptions) => Promise<SentResult>

const SCENARIOS: { readonly [Name in SendScenario]: (order: OrderMembers, send: Send) => Promise<SentResult[]> } = {
  order: async (order, send) => [await send(order)],
  encrypted: async (order, send) => [await send(order, { encrypt: true })],
  duplicate: async (order, send) => [await send(order), await send({ ...order, requestId: newId() })],
  older: async (order, send) => {
    const { orderCreateTime, orderModifyTime } = order
    const older = {
      ...order,
      requestId: newId(),
      orderCreateTime: Math.min(Number(orderCreateTime), Number(orderModifyTime) - OLDER_MS),
      orderModifyTime: Number(orderModifyTime) - OLDER_MS,
    }
    return [await send(order), await send(older)]
  },
  tampered: async (order, send) => [await send(order, { tamper: 'body' })],
  burst: async (order, send) => {
    const orders = Array.from({ length: BURST.orders }, (_, index) => ({
      ...order,
      requestId: newId(),
      merchantBizNo: `${String(order['merchantBizNo'])}-${index + 1}`,
    }))
    const results: SentResult[] = []
    const next = async () => {
      for (let item = orders.pop(); item !== undefined; item = orders.pop()) results.push(await send(item))
    }
    await Promise.all(Array.from({ length: BURST.atOnce }, next))
    return results
  },
}

const newId = () => secureRandomUUID().replaceAll('-', '')

async function sendAsPeer(
  peer: TestPeer,
  order: OrderMembers | undefined,
  options: TestRequestOptions = {},
): Promise<SentResult> {
  if (order === undefined) return NO_ORDER
  try {
    const { status, result, orderId, signed } = await peer.send(order, options)
    return { status, resultCode: result.resultCode, signed, ...(orderId !== undefined && { orderId }) }
  } catch (error) {
    return { error: describe(error) }
  }
}

async function sendWithClient(
  client: OrderSyncClient<unknown> | undefined,
  order: OrderMembers | undefined,
): Promise<SentResult> {
  if (client === undefined) return { error: 'The console has no client. Set the option "client".' }
  if (order === undefined) return NO_ORDER
  try {
    // The client validates it.
    const { orderId } = await client.syncOrder(order as never)
    return { status: 200, resultCode: 'SUCCESS', orderId, signed: true }
  } catch (error) {
    return { error: describe(error) }
  }
}

async function sendSame(handler: OrderSyncHandler | undefined, entry: Entry): Promise<SentResult> {
  const { method, path, request } = entry
  if (handler === undefined || request.body === undefined)
    return { error: 'The console no longer has the bytes of the message.' }
  const response = await handler({ method, path, headers: request.headers(), body: request.body })
  const signed = Object.keys(response.headers).some((name) => name.toLowerCase() === 'signature')
  return { status: response.status, signed }
}

/** Messages of this package contain no customer data. Other messages may. */
function describe(error: unknown): string {
  return isOrderSyncError(error)
    ? `${error.code}: ${error.message}`
    : 'The request failed. See the output of the process.'
}

function orderOf({ plaintext, request }: Entry): OrderMembers | undefined {
  const bytes = plaintext ?? request.body
  if (bytes === undefined) return undefined
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as OrderMembers) : undefined
  } catch {
    return undefined
  }
}
