import { describe, expect, test } from 'vitest'
import { ConfigurationError, createOrderSyncHandler, memoryStore } from '../../src/public/index.ts'
import type { OrderSyncStore } from '../../src/public/store.ts'
import { deferred } from '../support/deferred.ts'
import { merchantCredentials, NOW, order, request } from '../support/messages.ts'

const handlerWith = (store: Partial<OrderSyncStore>, options: object = {}) =>
  createOrderSyncHandler({
    credentials: merchantCredentials(),
    store: { ...memoryStore(), ...store },
    onOrder: () => ({ orderId: 'A-1' }),
    onEvent: () => {},
    now: () => NOW,
    ...options,
  })

const secret = () => Object.assign(new Error('SECRET'), { code: 'ECONNREFUSED' })

describe('health resolves', () => {
  test('to ok, and reads an order of a store without ping', async () => {
    const read: string[] = []
    const { health } = handlerWith({
      async read(key) {
        read.push(key)
        return undefined
      },
    })
    expect(await health()).toStrictEqual({
      ok: true,
      store: { reachable: true, migrated: true, latencyMs: expect.any(Number) },
      inFlight: { responding: 0, working: 0, maxConcurrent: 1_000 },
    })
    expect(read).toHaveLength(1)
  })

  test.each<[string, Partial<OrderSyncStore>, object, object]>([
    [
      'to the failure of an unreachable store, without its message',
      { ping: () => Promise.reject(secret()) },
      {
        ...{ reachable: false, migrated: false, code: 'ERR_STORE' },
        message: expect.stringMatching(/^store\.ping\(\) threw .* Call it yourself to see the error/),
      },
      {},
    ],
    [
      'to the failure of a ping that throws at once',
      {
        ping() {
          throw secret()
        },
      },
      { reachable: false, migrated: false, code: 'ERR_STORE' },
      {},
    ],
    [
      'to the failure of a read, which it names, of a store without ping',
      { read: () => Promise.reject(secret()) },
      { reachable: false, code: 'ERR_STORE', message: expect.stringContaining('store.read()') },
      {},
    ],
    [
      'to the failure of a store that never responds, after storeTimeoutMs',
      { ping: () => new Promise(() => {}) },
      { reachable: false, migrated: false, code: 'ERR_STORE_TIMEOUT' },
      { storeTimeoutMs: 20 },
    ],
    [
      'to a store that is reachable and not migrated',
      { ping: () => Promise.reject(new ConfigurationError('ERR_STORE_NOT_MIGRATED', 'run migratePostgres(pool)')) },
      { reachable: true, migrated: false, code: 'ERR_STORE_NOT_MIGRATED', message: 'run migratePostgres(pool)' },
      {},
    ],
  ])('%s', async (_, store, expected, options) => {
    const health = await handlerWith(store, options).health()
    expect(health).toMatchObject({ ok: false, store: { message: expect.any(String), ...expected } })
    expect(JSON.stringify(health)).not.toContain('SECRET')
  })
})

test('health counts what is in flight, and is not ok when the handler is full', async () => {
  const { promise, resolve } = deferred<{ orderId: string }>()
  const started = deferred<void>()
  const handler = handlerWith(
    {},
    {
      maxConcurrent: 1,
      onOrder() {
        started.resolve()
        return promise
      },
    },
  )
  const responding = handler(request())
  await started.promise
  expect(await handler.health()).toMatchObject({ ok: false, inFlight: { responding: 1, working: 1, maxConcurrent: 1 } })
  resolve({ orderId: 'A-1' })
  await responding
  await handler.drain()
  expect(await handler.health()).toMatchObject({ ok: true, inFlight: { responding: 0, working: 0 } })
})

test('a thousand concurrent calls of health call the store once', async () => {
  let pings = 0
  const asked = deferred<void>()
  const { health } = handlerWith({
    ping() {
      pings++
      return asked.promise
    },
  })
  const calls = Array.from({ length: 1_000 }, () => health())
  asked.resolve()
  expect(new Set((await Promise.all(calls)).map(({ ok }) => ok))).toStrictEqual(new Set([true]))
  expect(pings).toBe(1)
  await health()
  expect(pings).toBe(2)
})

test('health does not change the store', async () => {
  const store = memoryStore({ now: () => NOW })
  const handler = handlerWith(store)
  await handler.health()
  await handler(request({ message: order() }))
  await handler.health()
  expect(await handler(request({ message: order() }))).toMatchObject({ status: 200 })
})
