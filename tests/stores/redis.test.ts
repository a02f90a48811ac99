import { createClient, RESP_TYPES } from 'redis'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { redisStore } from '../../src/stores/redis.ts'
import { makePlace } from '../support/stores.ts'

const url = inject('redisUrl')

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function connect() {
  const { place, remove } = await makePlace('redis', url ?? '')
  const client = await createClient({ url: url ?? '' }).connect()
  ends.push(remove, () => client.close())
  return { client, prefix: place.split(' ')[2] ?? '' }
}

/** By Redis's clock. */
async function millisecond(client: { sendCommand(command: string[]): Promise<unknown> }): Promise<number> {
  const [seconds, microseconds] = (await client.sendCommand(['TIME'])) as [string, string]
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000)
}

const delivery = { orderKey: 'order', requestKey: 'request', digest: 'digest', orderModifyTime: 1 }
const claiming = { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' } as const
const ending = { storedResponse: 'storedResponse', processed: true }

describe.skipIf(url === undefined)('Redis', () => {
  test('knows the body of a request for as long as its storedResponse', async () => {
    const { client, prefix } = await connect()
    const store = redisStore({ client, prefix })
    const claim = await store.claim(delivery, claiming)
    if (claim.decision !== 'process') throw new Error(claim.decision)
    // As if most of a week had gone by since the claim.
    await client.pExpire(`${prefix}request:request`, 1_000)
    await store.finish({ delivery, token: claim.token }, ending)
    expect(await client.pTTL(`${prefix}request:request`)).toBeGreaterThan(604_000_000)
    expect(await client.pTTL(`${prefix}{order}:storedResponse:request`)).toBeGreaterThan(604_000_000)
    expect(await store.claim({ ...delivery, digest: 'other' }, claiming)).toEqual({ decision: 'conflict' })
  })

  test('refuses the finish of a claim from before it lost everything', async () => {
    const { client, prefix } = await connect()
    const store = redisStore({ client, prefix })
    const before = await store.claim(delivery, claiming)
    await client.unlink([`${prefix}{order}`, `${prefix}request:request`])
    const at = await millisecond(client)
    while ((await millisecond(client)) === at);
    const after = await store.claim(delivery, claiming)
    if (before.decision !== 'process' || after.decision !== 'process') throw new Error('not claimed')
    expect(after.token).toBeGreaterThan(before.token)
    expect(await store.finish({ delivery, token: before.token }, ending)).toBe(false)
    expect(await store.finish({ delivery, token: after.token }, ending)).toBe(true)
  })

  test('keeps to the same decisions with a client that hands out buffers', async () => {
    const { client, prefix } = await connect()
    const store = redisStore({ client: client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }), prefix })
    const claim = await store.claim(delivery, claiming)
    if (claim.decision !== 'process') throw new Error(claim.decision)
    expect(await store.finish({ delivery, token: claim.token }, ending)).toBe(true)
    expect(await store.claim(delivery, claiming)).toEqual({ decision: 'replay', storedResponse: 'storedResponse' })
    expect(await store.claim({ ...delivery, digest: 'other' }, claiming)).toEqual({ decision: 'conflict' })
  })
})
