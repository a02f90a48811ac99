import { assertText, hasMethod, type OptionRules, resolveOptions, wholeNumber } from '../options.ts'
import { toClaimResult } from '../policy/idempotency.ts'
import type { OrderSyncStore } from './store.ts'

/** The part of a `redis` client (node-redis 4 and later) that the store uses. */
export interface NodeRedisClient {
  readonly evalSha: unknown
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
}

/** The part of an `ioredis` client (5 and later) that the store uses. */
export interface IoRedisClient {
  readonly evalsha: unknown
  eval(script: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>
}

/** Options of {@link redisStore}. */
export interface RedisStoreOptions {
  /** Your connected client of `redis` or `ioredis`. A cluster client works too. */
  client: NodeRedisClient | IoRedisClient
  /** The prefix of every key. @defaultValue 'order-sync:' */
  prefix?: string | undefined
  /** How long a stored response can be replayed, in milliseconds. Orders are never removed. @defaultValue 604_800_000 (seven days) */
  responseTtlMs?: number | undefined
}

const OPTIONS = {
  client: {
    required: true,
    assert(value: unknown, name: string) {
      if (!hasMethod(value, 'eval') || !(hasMethod(value, 'evalSha') || hasMethod(value, 'evalsha'))) {
        throw new TypeError(`"${name}" must be a client of the package "redis" or "ioredis"`)
      }
    },
  },
  prefix: {
    defaultValue: 'order-sync:' as string,
    assert(value: unknown, name: string) {
      assertText(value, name)
      if (/[{}]/.test(String(value)))
        throw new RangeError(`"${name}" must not contain braces, which choose the hash slot`)
    },
  },
  responseTtlMs: wholeNumber(604_800_000, { min: 1 }),
} satisfies OptionRules<RedisStoreOptions>

/**
 * KEYS: request. ARGV: digest, responseTtlMs. Remembers the digest, and returns the one that is known. A script of its own:
 * two orders can use the same requestId, so a request is not in the hash slot of its order.
 */
const REMEMBER = `
local known = redis.call('GET', KEYS[1])
if known and known ~= ARGV[1] then return known end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`

const CLOCK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`

/**
 * KEYS: order, response to the request. ARGV: orderModifyTime, leaseMs, '1' to compare with processed_at too.
 * A token is never below the clock: if Redis loses the order, its next claim must not get a token that was given before.
 */
const CLAIM = `${CLOCK}
local response = redis.call('GET', KEYS[2])
if response then return {'replay', response} end
local order = redis.call('HMGET', KEYS[1], 'modify_time', 'processed_at', 'response', 'lease_until', 'token')
local modify_time, processed_at, lease_until = tonumber(order[1]), tonumber(order[2]), tonumber(order[4])
local incoming = tonumber(ARGV[1])
if modify_time and not (incoming > modify_time and (ARGV[3] == '0' or incoming > processed_at)) then
  return {incoming == modify_time and 'duplicate' or 'stale', order[3]}
end
if lease_until and lease_until > now then return {'busy'} end
local token = string.format('%.0f', math.max((tonumber(order[5]) or 0) + 1, now))
redis.call('HSET', KEYS[1], 'token', token, 'lease_until', now + ARGV[2])
return {'process', false, token}`

const END_CLAIM = `
local order = redis.call('HMGET', KEYS[1], 'token', 'lease_until')
if order[1] ~= ARGV[1] or not order[2] then return 0 end
redis.call('HDEL', KEYS[1], 'lease_until')`

/** KEYS: order, response to the request. ARGV: token, response, '1' if processed, orderModifyTime, responseTtlMs. */
const FINISH = `${CLOCK}${END_CLAIM}
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], 'modify_time', ARGV[4], 'processed_at', string.format('%.0f', now), 'response', ARGV[2])
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[5])
return 1`

/** KEYS: order. ARGV: token. */
const RELEASE = `${END_CLAIM}
return 1`

/** KEYS: order. */
const READ = `${CLOCK}
local order = redis.call('HMGET', KEYS[1], 'token', 'modify_time', 'processed_at', 'response', 'lease_until')
local leased = order[5] and tonumber(order[5]) > now
return {order[1], order[2], order[3], order[4], leased and '1' or '0'}`

/**
 * A store in Redis, for any number of machines. Every step is one script, and all keys of a script are in one hash slot. Leases
 * are judged by Redis's clock.
 *
 * The store is only as durable as your Redis: set `appendonly yes`, `appendfsync always` and `maxmemory-policy noeviction`. See
 * docs/stores.md.
 *
 * @throws TypeError when an option is unknown, missing or of the wrong type
 * @throws RangeError when an option is out of range
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { redisStore } from 'alipayhk-order-sync/stores/redis'
 * import { createClient } from 'redis'
 *
 * const client = await createClient({ url: 'redis://127.0.0.1:6379' }).connect()
 * export const store = redisStore({ client })
 * ```
 */
export function redisStore(options: RedisStoreOptions): OrderSyncStore {
  const { client, prefix, responseTtlMs } = resolveOptions('redisStore', OPTIONS, options)
  const ttl = String(responseTtlMs)
  const run = createRunner(client)
  // Redis hashes what is in braces: all keys of an order are in one slot.
  const toOrderKey = (orderKey: string) => `${prefix}{${orderKey}}`
  const toResponseKey = (orderKey: string, requestKey: string) => `${prefix}{${orderKey}}:response:${requestKey}`
  const toRequestKey = (requestKey: string) => `${prefix}request:${requestKey}`

  return {
    async claim({ orderKey, requestKey, digest, orderModifyTime }, { leaseMs, compareModifyTimeWith }) {
      const known = await run(REMEMBER, [toRequestKey(requestKey)], [digest, ttl])
      // As text: a client can be configured to return buffers.
      if (String(known) !== digest) return toClaimResult({ decision: 'conflict' })
      const [decision, storedResponse, token] = toTexts(
        await run(
          CLAIM,
          [toOrderKey(orderKey), toResponseKey(orderKey, requestKey)],
          [String(orderModifyTime), String(Math.ceil(leaseMs)), compareModifyTimeWith === 'processedAt' ? '1' : '0'],
        ),
      )
      return toClaimResult({ decision, storedResponse, token: token && Number(token) })
    },

    async finish({ delivery, token }, { storedResponse, processed }) {
      const { orderKey, requestKey, digest, orderModifyTime } = delivery
      // The digest must live as long as the response: without it, another body would get this response.
      await run(REMEMBER, [toRequestKey(requestKey)], [digest, ttl])
      const keys = [toOrderKey(orderKey), toResponseKey(orderKey, requestKey)]
      const values = [String(token), storedResponse, processed ? '1' : '0', String(orderModifyTime), ttl]
      return Number(await run(FINISH, keys, values)) === 1
    },

    async release({ delivery, token }) {
      return Number(await run(RELEASE, [toOrderKey(delivery.orderKey)], [String(token)])) === 1
    },

    async read(orderKey) {
      const [token, modifyTime, processedAt, storedResponse, leased] = toTexts(
        await run(READ, [toOrderKey(orderKey)], []),
      )
      if (token === undefined) return undefined
      return {
        ...(storedResponse !== undefined && {
          last: { orderModifyTime: Number(modifyTime), processedAt: Number(processedAt), storedResponse },
        }),
        ...(leased === '1' && { lease: { token: Number(token) } }),
      }
    },
  }
}

/** The elements of an array that a script returned. A false in Lua arrives as null. */
function toTexts(elements: unknown): (string | undefined)[] {
  if (!Array.isArray(elements)) throw new TypeError('Redis returned no array')
  return elements.map((element: unknown) => (element === null ? undefined : String(element)))
}

/** Runs a script with either client. They take arguments in different forms. Only node-redis has `evalSha` in this spelling. */
function createRunner(client: NodeRedisClient | IoRedisClient) {
  return async (script: string, keys: string[], values: string[]): Promise<unknown> =>
    'evalSha' in client
      ? await client.eval(script, { keys, arguments: values })
      : await client.eval(script, keys.length, ...keys, ...values)
}
