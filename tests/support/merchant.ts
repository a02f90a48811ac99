import { vi } from 'vitest'
import {
  createOrderSyncHandler,
  type HandlerOptions,
  type IncomingRequest,
  memoryStore,
  type Order,
  type OrderContext,
  type OrderResult,
  type OrderSyncEvent,
} from '../../src/public/index.ts'
import type { OrderSyncStore } from '../../src/public/store.ts'
import { gatewayRsa, merchantRsa } from './keys.ts'
import { CLIENT_ID, isSignedBy, merchantCredentials, messageOf, NOW, PATH, type Received } from './messages.ts'

type OnOrder = (order: Order<unknown>, context: OrderContext<undefined>) => Promise<OrderResult> | OrderResult

/** A merchant's handler. Calls of `onOrder` and of the store are recorded, and so are the events. */
export function merchant(options: Partial<HandlerOptions<unknown>> = {}) {
  const onOrder = vi.fn<OnOrder>(options.onOrder ?? (() => ({ orderId: 'A-1' })))
  const events: OrderSyncEvent[] = []
  const store = recorded(options.store ?? memoryStore({ now: () => NOW }))
  const handler = createOrderSyncHandler({
    credentials: merchantCredentials(),
    now: () => NOW,
    onEvent: (event) => events.push(event),
    ...options,
    onOrder,
    store,
  })
  return { handler, onOrder, events, store }
}

/** The same store. Calls of its methods are recorded. */
export const recorded = ({ claim, finish, release, read, forget }: OrderSyncStore) => ({
  claim: vi.fn(claim),
  finish: vi.fn(finish),
  release: vi.fn(release),
  read: vi.fn(read),
  forget: vi.fn(forget),
})

/** The parts of a response that tests compare: its status, its result, and whether it is signed and encrypted. */
export function summarize(response: Received & { readonly status: number }, request: Partial<IncomingRequest> = {}) {
  const { method = 'POST', path = PATH } = request
  const message = messageOf(response, gatewayRsa().privateKey) as {
    result: { resultCode: string; resultStatus: string; resultMessage: string }
    orderId?: string
  }
  return {
    status: response.status,
    resultCode: message.result.resultCode,
    resultStatus: message.result.resultStatus,
    ...('orderId' in message && { orderId: message.orderId }),
    signed: isSignedBy(response, merchantRsa().publicKey, { method: method.toUpperCase(), path, clientId: CLIENT_ID }),
    encrypted: 'Encrypt' in response.headers,
  }
}

export const SUCCESS = {
  status: 200,
  resultCode: 'SUCCESS',
  resultStatus: 'S',
  orderId: 'A-1',
  signed: true,
  encrypted: false,
}

export const TRY_LATER = {
  status: 200,
  resultCode: 'UNKNOWN_EXCEPTION',
  resultStatus: 'U',
  signed: true,
  encrypted: false,
}
