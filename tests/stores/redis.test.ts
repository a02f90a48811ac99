import { createClient, RESP_TYPES } from 'redis'
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { redisStore } from '../../src/stores/redis.ts'
import { deferred } from '../support/deferred.ts'
import { startPrivateRedis } from '../support/services.ts'
import { makePlace } from '../support/stores.ts'

const url = inject('redisUrl')

async function connect() {
  const { place, remove } = await makePlace('redis', url ?? '')
  onTestFinished(remove)
  const client = await createClient({ url: url ?? '' }).connect()
  onTestFinished(() => client.close())
  return { client, prefix: place.split(' ')[2] ?? '' }
}

/** Milliseconds since the epoch, by Redis's clock. */
async function redisNow(client: { sendCommand(command: string[]): Promise<unknown> }): Promise<number> {
  const [seconds, microseconds] = (await client.sendCommand(['TIME'])) as [string, string]
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000)
}

const delivery = {
  orderKey: 'order',
  requestKey: 'request',
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
}
const claimOptions = { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' } as const
const completion = { storedResponse: 'response', processed: true }

describe.skipIf(url === undefined)('redisStore', () => {
  test('keeps the digest of a request for as long as its response', async () => {
    const { client, prefix } = await connect()
    const store = redisStore({ client, prefix })
    const claim = await store.claim(delivery, claimOptions)
    if (claim.decision !== 'process') throw new Error(claim.decision)
    // As if most of the seven days had passed since the claim.
    await client.pExpire(`${prefix}request:request`, 1_000)
    await store.finish({ delivery, token: claim.token }, completion)
    expect(await client.pTTL(`${prefix}request:request`)).toBeGreaterThan(604_000_000)
    expect(await client.pTTL(`${prefix}{order}:response:request`)).toBeGreaterThan(604_000_000)
    expect(await store.claim({ ...delivery, digest: 'other' }, claimOptions)).toEqual({ decision: 'conflict' })
  })

  test('gives a greater token after Redis has lost the order, and rejects a finish with the earlier token', async () => {
    const { client, prefix } = await connect()
    const store = redisStore({ client, prefix })
    const before = await store.claim(delivery, claimOptions)
    await client.unlink([`${prefix}{order}`, `${prefix}request:request`])
    const at = await redisNow(client)
    while ((await redisNow(client)) === at);
    const after = await store.claim(delivery, claimOptions)
    if (before.decision !== 'process' || after.decision !== 'process') throw new Error('not claimed')
    expect(after.token).toBeGreaterThan(before.token)
    expect(await store.finish({ delivery, token: before.token }, completion)).toBe(false)
    expect(await store.finish({ delivery, token: after.token }, completion)).toBe(true)
  })

  test('makes the same decisions with a client that returns buffers', async () => {
    const { client, prefix } = await connect()
    const store = redisStore({ client: client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }), prefix })
    const claim = await store.claim(delivery, claimOptions)
    if (claim.decision !== 'process') throw new Error(claim.decision)
    expect(await store.finish({ delivery, token: claim.token }, completion)).toBe(true)
    expect(await store.claim(delivery, claimOptions)).toEqual({ decision: 'replay', storedResponse: 'response' })
    expect(await store.claim({ ...delivery, digest: 'other' }, claimOptions)).toEqual({ decision: 'conflict' })
  })

  test('works with a client that takes arrays and parses JSON in results, as that of Upstash does', async () => {
    const { client, prefix } = await connect()
    const parsed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(parsed)
      try {
        return JSON.parse(String(value))
      } catch {
        return value
      }
    }
    const store = redisStore({
      client: {
        evalsha: () => undefined,
        createScript: () => undefined,
        eval: async (script: string, keys: string[], values: string[]) =>
          parsed(await client.eval(script, { keys, arguments: values })),
      },
      prefix,
    })
    // A digest and a response that JSON.parse would change.
    const numeric = { ...delivery, digest: '1e10' }
    const storedResponse = '{ "orderId": "1" }'
    const claim = await store.claim(numeric, claimOptions)
    if (claim.decision !== 'process') throw new Error(claim.decision)
    expect((await store.read('order'))?.lease).toEqual({ token: claim.token })
    expect(await store.finish({ delivery: numeric, token: claim.token }, { storedResponse, processed: true })).toBe(
      true,
    )
    expect(await store.claim(numeric, claimOptions)).toEqual({ decision: 'replay', storedResponse })
    expect((await store.read('order'))?.last).toMatchObject({ storedResponse, orderModifyTime: 1 })
    expect(await store.claim({ ...numeric, digest: '10000000000' }, claimOptions)).toEqual({ decision: 'conflict' })
  })
})

describe('redisStore, when Redis is out of memory', () => {
  test.each(['known', 'lost'])(
    'finishes and releases claims, and replays; the digest of the request is %s',
    async (digest) => {
      const redis = await startPrivateRedis()
      if (redis === undefined) return
      onTestFinished(redis.stop)
      const client = await createClient({ url: redis.url }).connect()
      onTestFinished(() => client.close())
      const store = redisStore({ client })
      const claim = await store.claim(delivery, claimOptions)
      const other = {
        orderKey: 'other',
        requestKey: 'other',
        digest: 'digest',
        contentDigest: 'content',
        orderModifyTime: 1,
      }
      const released = await store.claim(other, claimOptions)
      if (claim.decision !== 'process' || released.decision !== 'process') throw new Error('not claimed')
      if (digest === 'lost') await client.unlink('order-sync:request:request')
      await client.configSet('maxmemory-policy', 'noeviction')
      await client.configSet('maxmemory', '1mb')
      const long = { storedResponse: 'response'.repeat(100), processed: true }
      expect(await store.finish({ delivery, token: claim.token }, long)).toBe(true)
      expect(await store.release({ delivery: other, token: released.token })).toBe(true)
      expect(await store.claim(delivery, claimOptions)).toEqual({
        decision: 'replay',
        storedResponse: long.storedResponse,
      })
      await expect(store.claim({ ...other, requestKey: 'new', orderKey: 'new' }, claimOptions)).rejects.toThrow('OOM')
      await client.configSet('maxmemory', '0')
      expect((await store.claim({ ...other, requestKey: 'new', orderKey: 'new' }, claimOptions)).decision).toBe(
        'process',
      )
      expect(await client.pTTL('order-sync:request:request')).toBeGreaterThan(604_000_000)
    },
  )
})

describe('redisStore, while Redis does not respond', () => {
  /** A node-redis client whose commands wait, and a clock that the test moves. */
  function silent(properties: Record<string, unknown>) {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0)
    const sent = [deferred<unknown>(), deferred<unknown>(), deferred<unknown>()]
    const send = vi.fn(() => sent[send.mock.calls.length - 1]?.promise ?? Promise.reject(new Error('too many')))
    const store = redisStore({ client: { evalSha: send, eval: send, ...properties } })
    const read = () =>
      store.read('order').then(
        () => 'read',
        (error: Error) => error.message,
      )
    return { clock, sent, send, read }
  }

  test('sends no further commands to a single connection after two seconds, until the oldest one is settled', async () => {
    const { clock, sent, send, read } = silent({ isPubSubActive: false })
    const oldest = read()
    clock.mockReturnValue(2_000)
    const inTime = read()
    expect(send).toHaveBeenCalledTimes(2)
    clock.mockReturnValue(2_001)
    expect(await read()).toMatch(/^Redis has not responded for more than 2000 ms\. .*socketTimeout/)
    expect(send).toHaveBeenCalledTimes(2)
    sent[0]?.reject(new Error('Socket timeout'))
    expect(await oldest).toBe('Socket timeout')
    const next = read()
    expect(send).toHaveBeenCalledTimes(3)
    for (const { resolve } of sent) resolve([null, null, null, null, '0'])
    expect(await Promise.all([inTime, next])).toEqual(['read', 'read'])
  })

  test('continues to send commands to a cluster, whose other nodes may respond', async () => {
    const { clock, sent, send, read } = silent({})
    const oldest = read()
    clock.mockReturnValue(60_000)
    const later = read()
    expect(send).toHaveBeenCalledTimes(2)
    for (const { resolve } of sent) resolve([null, null, null, null, '0'])
    expect(await Promise.all([oldest, later])).toEqual(['read', 'read'])
  })
})
