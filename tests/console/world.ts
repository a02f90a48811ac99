import { type ConsoleOptions, type ConsoleOutbox, createConsole } from '../../src/public/console.ts'
import {
  createOrderSyncClient,
  createOrderSyncHandler,
  memoryStore,
  ORDER_SYNC_PATH,
  OrderRefusedError,
} from '../../src/public/index.ts'
import type { OutboxFailure } from '../../src/public/outbox.ts'
import { createTestCredentials, createTestOrder, createTestPeer, createTestReceiver } from '../../src/public/testing.ts'

/** A handler, a client and an outbox with a console on a free port. Nothing is sent over a network but the console itself. */
export async function startConsole(options: Partial<ConsoleOptions> = {}) {
  const { merchant, peer: peerCredentials } = createTestCredentials()
  const handler = createOrderSyncHandler({
    credentials: merchant,
    store: memoryStore(),
    onOrder({ orderStatus, merchantBizNo }) {
      if (orderStatus === 'REFUSE') throw new OrderRefusedError('PROCESS_FAIL', 'No such table')
      if (orderStatus === 'BREAK') throw new Error('the database is down')
      return { orderId: `A-${merchantBizNo}`.slice(0, 64) }
    },
    // Without it, failures are process warnings.
    onEvent: () => {},
  })
  const receiver = createTestReceiver({ credentials: peerCredentials })
  const client = createOrderSyncClient({
    credentials: merchant,
    url: 'https://receiver.example',
    fetch: receiver.fetch,
    retries: 0,
  })
  const outbox = fakeOutbox()
  const console = createConsole({ handler, client, outbox, peer: peerCredentials, ...options })
  const { url, close } = await console.listen()
  return {
    ...{ handler, client, outbox, console, url, merchant, peerCredentials },
    peer: createTestPeer(handler, { credentials: peerCredentials }),
    async close() {
      console.close()
      await close()
    },
  }
}

export type ConsoleWorld = Awaited<ReturnType<typeof startConsole>>

/** An outbox with three failed orders, in memory. */
export function fakeOutbox(): ConsoleOutbox & { readonly retried: string[]; readonly discarded: string[] } {
  let failures = ['31', '32', '33'].map((id) => {
    const order = createTestOrder({ merchantBizNo: `BIZ-2026-00${id}` })
    const failedAt = new Date(1_795_000_000_000)
    const failure = { id, requestId: order.requestId, code: 'PARAM_ILLEGAL', attempts: 1, failedAt }
    return Object.defineProperty(failure, 'order', { value: order, enumerable: false }) as OutboxFailure
  })
  let waiting = 4
  const retried: string[] = []
  const discarded: string[] = []
  const remove = (id: string) => {
    const { length } = failures
    failures = failures.filter((failure) => failure.id !== id)
    return failures.length < length
  }
  return {
    ...{ retried, discarded },
    stats: async () => ({ waiting, inFlight: 1, failed: failures.length, oldestWaitingMs: 65_000 }),
    failed: async () => failures,
    async retry(id) {
      retried.push(id)
      waiting++
      return remove(id)
    },
    async discard(id) {
      discarded.push(id)
      return remove(id)
    },
  }
}

/** One of everything that an inbox can show. */
export async function fillInbox({ peer, client, handler }: ConsoleWorld): Promise<void> {
  const paidAt = Date.now() - 90_000
  const paid = createTestOrder({
    merchantBizNo: 'BIZ-2026-0001',
    orderStatus: 'PAID',
    orderCreateTime: paidAt,
    orderModifyTime: paidAt,
  })
  const refunded = createTestOrder({
    merchantBizNo: paid.merchantBizNo,
    orderStatus: 'REFUNDED',
    orderCreateTime: paid.orderCreateTime,
    orderModifyTime: paidAt + 60_000,
  })
  await peer.send(paid)
  await peer.send(paid)
  await peer.send({ ...paid, requestId: createTestOrder().requestId })
  await peer.send(refunded, { encrypt: true })
  await peer.send({ ...paid, requestId: createTestOrder().requestId, orderStatus: 'CLOSED' })
  await peer.send(createTestOrder({ merchantBizNo: 'BIZ-2026-0002', orderStatus: 'REFUSE' }))
  await peer.send(createTestOrder({ merchantBizNo: 'BIZ-2026-0003', orderStatus: 'BREAK' }))
  await peer.send(createTestOrder({ merchantBizNo: 'BIZ-2026-0004' }), { tamper: 'time' })
  await peer.send(createTestOrder({ merchantBizNo: 'BIZ-2026-0005' }), { tamper: 'client-id' })
  const { tradeNo: _, ...incomplete } = createTestOrder({ merchantBizNo: 'BIZ-2026-0006' })
  await peer.send(incomplete)
  await client.syncOrder(createTestOrder({ merchantBizNo: 'BIZ-2026-0007' }))
  // A proxy has removed the slash at the end of the path.
  const behindProxy = createTestPeer((request) => handler({ ...request, path: ORDER_SYNC_PATH }), {
    credentials: createTestCredentials().peer,
    path: `${ORDER_SYNC_PATH}/`,
  })
  await behindProxy.send(createTestOrder({ merchantBizNo: 'BIZ-2026-0008' }))
  await peer.send(createTestOrder({ merchantBizNo: 'BIZ-2026-0009' }), { tamper: 'body' })
}
