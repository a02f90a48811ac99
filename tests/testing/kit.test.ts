import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  createOrderSyncClient,
  createOrderSyncHandler,
  type HandlerOptions,
  memoryStore,
  type OrderContext,
  OrderRefusedError,
  type OrderSyncEvent,
} from '../../src/public/index.ts'
import { toNodeListener } from '../../src/public/node.ts'
import {
  createTestContext,
  createTestCredentials,
  createTestKeys,
  createTestOrder,
  createTestPeer,
  createTestReceiver,
  createTransactionDouble,
  type ReceiverResponse,
  type TestFault,
  type TestReceiver,
} from '../../src/public/testing.ts'
import { rejectionOf } from '../support/thrown.ts'

/** A merchant's handler, and its events. */
function startHandler(options: Partial<HandlerOptions> = {}) {
  const events: OrderSyncEvent[] = []
  const handler = createOrderSyncHandler({
    credentials: createTestCredentials().merchant,
    store: memoryStore(),
    onOrder: ({ merchantBizNo }) => ({ orderId: merchantBizNo }),
    onEvent: (event) => events.push(event),
    ...options,
  })
  return { handler, events }
}

test('createTestKeys and createTestCredentials return the same keys each time, and the keys of both sides match', () => {
  expect(createTestKeys()).toBe(createTestKeys())
  const { merchant, peer } = createTestCredentials('C-1')
  expect([merchant.clientId, peer.clientId]).toEqual(['C-1', 'C-1'])
  expect(merchant.peerPublicKeys[1]).toBe(createTestKeys().peer.publicKey)
  expect(peer.peerPublicKeys[1]).toBe(createTestKeys().merchant.publicKey)
})

test('createTestOrder returns orders with unique ids, and applies changes', () => {
  const [first, second] = [createTestOrder(), createTestOrder({ orderStatus: 'REFUNDED' })]
  expect(first.requestId).not.toBe(second.requestId)
  expect(second.orderStatus).toBe('REFUNDED')
})

describe('createTestPeer', () => {
  test('signs with an unknown key under the version that signs', async () => {
    const { handler, events } = startHandler()
    const { clientId, privateKeys, peerPublicKeys } = createTestCredentials().peer
    const credentials = { clientId, privateKeys: { 7: privateKeys[1] ?? '' }, signingKeyVersion: '7', peerPublicKeys }
    expect(
      await createTestPeer(handler, { credentials }).send(createTestOrder(), { tamper: 'wrong-key' }),
    ).toMatchObject({
      status: 401,
    })
    expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_SIGNATURE_INVALID', keyVersion: '7' }])
  })

  test('names any key version', async () => {
    const { handler, events } = startHandler()
    await createTestPeer(handler).send(createTestOrder(), { keyVersion: '$&' })
    expect(events).toMatchObject([{ keyVersion: '$&' }])
  })

  test.each(['<html>SECRET</html>', '"SECRET"', '{}', '{"result":"SECRET"}', 'null'])(
    'rejects the unsigned response %s, and does not quote it',
    async (body) => {
      const peer = createTestPeer(async () => ({ status: 404, headers: {}, body: Buffer.from(body) }))
      const error = await rejectionOf(peer.send(createTestOrder()))
      expect(error.message).toBe(
        'HTTP 404, not a response of a handler. Check the URL, and any proxy in front of the handler.',
      )
    },
  )

  test.each([false, true])(
    'sends an order to a handler, and verifies the response (encrypted: %s)',
    async (encrypt) => {
      const { handler, events } = startHandler()
      const order = createTestOrder()
      expect(await createTestPeer(handler).send(order, { encrypt })).toMatchObject({
        status: 200,
        result: { resultCode: 'SUCCESS', resultStatus: 'S' },
        orderId: order.merchantBizNo,
        signed: true,
        encrypted: encrypt,
      })
      expect(events).toMatchObject([{ kind: 'processed', encrypted: encrypt }])
    },
  )

  test.each<[TestFault, string]>([
    ['body', 'ERR_SIGNATURE_INVALID'],
    ['signature', 'ERR_SIGNATURE_INVALID'],
    ['time', 'ERR_TIME_RANGE'],
    ['wrong-key', 'ERR_SIGNATURE_INVALID'],
    ['another-path', 'ERR_SIGNATURE_INVALID'],
    ['client-id', 'ERR_CLIENT_UNKNOWN'],
    ['unsigned', 'ERR_HEADER_MISSING'],
  ])('sends a request with the fault %s, which a handler rejects with %s, unsigned', async (tamper, code) => {
    for (const encrypt of [false, true]) {
      const { handler, events } = startHandler()
      expect(await createTestPeer(handler).send(createTestOrder(), { tamper, encrypt })).toMatchObject({
        result: { resultStatus: 'F' },
        signed: false,
      })
      expect(events).toMatchObject([{ kind: 'rejected', code }])
    }
  })

  test('sends the time, the key version and the requestId of the options', async () => {
    const { handler, events } = startHandler({ now: () => 1_716_340_341_000 })
    const peer = createTestPeer(handler)
    await peer.send(createTestOrder({ orderModifyTime: 1_716_340_341_000 }), {
      time: 1_716_340_341_000,
      requestId: 'R-1',
    })
    await peer.send(createTestOrder(), { time: 1_716_340_341_000, keyVersion: '9' })
    expect(events).toMatchObject([
      { kind: 'processed', requestId: 'R-1' },
      { kind: 'rejected', keyVersion: '9' },
    ])
  })

  test('sends to the URL of an application', async () => {
    const { handler } = startHandler()
    const server = createServer(toNodeListener(handler))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const peer = createTestPeer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    expect(await peer.send(createTestOrder(), { encrypt: true })).toMatchObject({ status: 200, signed: true })
  })

  test('rejects when the response is signed with another key, or for another path', async () => {
    const { handler } = startHandler()
    const stranger = { ...createTestCredentials().peer, peerPublicKeys: { 1: createTestKeys().stranger.publicKey } }
    const peer = createTestPeer(handler, { credentials: stranger })
    expect(await rejectionOf(peer.send(createTestOrder()))).toMatchObject({ code: 'ERR_SIGNATURE_INVALID' })
    const moved = createTestPeer((request) => handler({ ...request, path: '/orders' }), { path: '/orders' })
    expect(await moved.send(createTestOrder())).toMatchObject({ signed: true })
  })
})

describe('createTestReceiver', () => {
  const clientOf = (fetch: typeof globalThis.fetch) =>
    createOrderSyncClient({
      credentials: createTestCredentials().merchant,
      environment: 'testing',
      encrypt: true,
      retries: 1,
      baseDelayMs: 1,
      fetch,
    })

  test('receives the orders of a client, each event once, and responds signed', async () => {
    const receiver = createTestReceiver()
    const client = clientOf(receiver.fetch)
    const order = createTestOrder()
    expect(await client.syncOrder(order)).toMatchObject({ orderId: order.merchantBizNo, attempts: 1 })
    await client.syncOrder(order)
    expect(receiver.orders).toEqual([order])
  })

  test('responds in the sequence of the option "responses"', async () => {
    const refusing = createTestReceiver({
      respond() {
        throw new OrderRefusedError('PROCESS_FAIL')
      },
    })
    expect(await rejectionOf(clientOf(refusing.fetch).syncOrder(createTestOrder()))).toMatchObject({
      name: 'OrderRefusedError',
      resultCode: 'PROCESS_FAIL',
    })
    let calls = 0
    const failingOnce = createTestReceiver({
      respond() {
        if (++calls === 1) throw new Error('not now')
        return { orderId: 'A-1' }
      },
    })
    expect(await clientOf(failingOnce.fetch).syncOrder(createTestOrder())).toMatchObject({
      orderId: 'A-1',
      attempts: 2,
    })
  })
})

describe('createTestReceiver responds', () => {
  const EXPECTED: readonly (readonly [ReceiverResponse, object])[] = [
    ['S', { attempts: 1 }],
    ['F', { name: 'OrderRefusedError', resultCode: 'PROCESS_FAIL' }],
    ['U', { attempts: 2 }],
    ['slow', { attempts: 2 }],
    ['broken', { attempts: 2 }],
    ['unsigned', { name: 'UntrustedResponseError', code: 'ERR_REPLY_UNSIGNED' }],
    ['html-502', { attempts: 2 }],
  ]

  for (const [where, connect] of [
    ['through fetch', async ({ fetch }: TestReceiver) => ({ environment: 'testing', fetch }) as const],
    [
      'on a server',
      async ({ listen }: TestReceiver) => {
        const { url, close } = await listen()
        onTestFinished(close)
        return { url }
      },
    ],
  ] as const) {
    test.for(EXPECTED)(`%s ${where}`, async ([response, expected]) => {
      const receiver = createTestReceiver({ responses: [response] })
      const order = createTestOrder()
      const client = createOrderSyncClient({
        credentials: createTestCredentials().merchant,
        ...{ retries: 1, baseDelayMs: 1, timeoutMs: response === 'slow' ? 1_500 : 10_000 },
        ...(await connect(receiver)),
      })
      expect(await client.syncOrder(order).catch((error: unknown) => error)).toMatchObject(expected)
      expect(receiver.requests[0]).toMatchObject({ responded: response })
      // Whatever went wrong: the event arrived once.
      expect(receiver.orders).toEqual(response === 'F' ? [] : [order])
    })
  }

  test('with a TypeError to an unknown word', () => {
    const responses = ['X'] as unknown as ReceiverResponse[]
    expect(() => createTestReceiver({ responses })).toThrow('"responses" must be a list of S, F, U, slow')
  })
})

test('createTestContext and createTransactionDouble replace a handler in a unit test of onOrder', async () => {
  async function onOrder(
    order: { merchantBizNo: string },
    { transaction }: OrderContext<ReturnType<typeof createTransactionDouble>>,
  ) {
    const { rows } = await transaction.query('SELECT id FROM orders WHERE no = $1', [order.merchantBizNo])
    return { orderId: String(rows.length) }
  }
  const transaction = createTransactionDouble(() => [{ id: 1 }])
  const order = createTestOrder({ merchantBizNo: 'B-1' })
  expect(await onOrder(order, createTestContext({ transaction }))).toEqual({ orderId: '1' })
  expect(transaction.queries).toEqual([{ text: 'SELECT id FROM orders WHERE no = $1', values: ['B-1'] }])
  expect(createTestContext().signal.aborted).toBe(false)
})
