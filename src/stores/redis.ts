import type { ClaimResult, OrderSyncStore } from './store.ts'

/** What is used of a client of `redis` (node-redis 4 and later). */
export interface NodeRedisClient {
  readonly evalSha: unknown
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
}

/** What is used of a client of `ioredis` (5 and later). */
export interface IoRedisClient {
  readonly evalsha: unknown
  eval(script: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>
}

/** Options of {@link redisStore}. */
export interface RedisStoreOptions {
  /** Your client, connected, of `redis` or `ioredis`; a cluster client too. */
  client: NodeRedisClient | IoRedisClient
  /** What every key begins with. @defaultValue 'order-sync:' */
  prefix?: string | undefined
  /** How long an answer can be replayed, in milliseconds; orders are never forgotten. @defaultValue 604_800_000 (seven days) */
  responseTtlMs?: number | undefined
}

/** Remembers a request's digest; returns the one that is known. A request is not in the slot of its order: a conflict may be between two orders. */
const REMEMBER = `
local known = redis.call('GET', KEYS[1])
if known and known ~= ARGV[1] then return known end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`

const CLOCK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`

/**
 * KEYS: order, answer of the request. ARGV: orderModifyTime, leaseMs, whether processedAt counts. Tokens start from the
 * time: should Redis lose the order, whoever held it before must not pass for whoever holds it now.
 */
const CLAIM = `${CLOCK}
local answer = redis.call('GET', KEYS[2])
if answer then return {'replay', answer} end
local order = redis.call('HMGET', KEYS[1], 'modify_time', 'processed_at', 'answer', 'lease_until', 'token')
local modify_time, processed_at, lease_until = tonumber(order[1]), tonumber(order[2]), tonumber(order[4])
local incoming = tonumber(ARGV[1])
if modify_time and not (incoming > modify_time and (ARGV[3] == '0' or incoming > processed_at)) then
  return {incoming == modify_time and 'duplicate' or 'stale', order[3]}
end
if lease_until and lease_until > now then return {'busy'} end
local token = string.format('%.0f', math.max((tonumber(order[5]) or 0) + 1, now))
redis.call('HSET', KEYS[1], 'token', token, 'lease_until', now + ARGV[2])
return {'process', token}`

const HELD = `
local order = redis.call('HMGET', KEYS[1], 'token', 'lease_until')
if order[1] ~= ARGV[1] or not order[2] then return 0 end
redis.call('HDEL', KEYS[1], 'lease_until')`

/** KEYS: order, answer of the request. ARGV: token, answer, whether it was processed, orderModifyTime, responseTtlMs. */
const FINISH = `${CLOCK}${HELD}
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], 'modify_time', ARGV[4], 'processed_at', string.format('%.0f', now), 'answer', ARGV[2])
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[5])
return 1`

/** KEYS: order. ARGV: token. */
const RELEASE = `${HELD}
return 1`

/** KEYS: order. */
const READ = `${CLOCK}
local order = redis.call('HMGET', KEYS[1], 'token', 'modify_time', 'processed_at', 'answer', 'lease_until')
local leased = order[5] and tonumber(order[5]) > now
return {order[1] or '', order[2] or '', order[3] or '', order[4] or '', leased and '1' or ''}`

/**
 * Makes the store. Every step is one script, and all that a script touches is in one hash slot. Leases are judged by Redis's clock.
 *
 * The promise is only as good as what Redis keeps: `appendonly yes` with `appendfsync always`, and `maxmemory-policy noeviction`. See
 * docs/stores.md.
 *
 * @throws RangeError when an option is out of bounds
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
  const { client, prefix = 'order-sync:', responseTtlMs = 604_800_000 } = options
  if (!Number.isSafeInteger(responseTtlMs) || responseTtlMs < 1)
    throw new RangeError('"responseTtlMs" must be a positive integer')
  if (/[{}]/.test(prefix)) throw new RangeError('"prefix" must not contain braces, which choose the hash slot')
  const ttl = String(responseTtlMs)
  const run = runner(client)
  // What is in braces decides on the slot: all keys of an order share it.
  const orderKeyOf = (orderKey: string) => `${prefix}{${orderKey}}`
  const answerKeyOf = (orderKey: string, requestKey: string) => `${prefix}{${orderKey}}:answer:${requestKey}`
  const requestKeyOf = (requestKey: string) => `${prefix}request:${requestKey}`

  return {
    async claim({ orderKey, requestKey, digest, orderModifyTime }, { leaseMs, compareModifyTimeWith }) {
      const known = await run(REMEMBER, [requestKeyOf(requestKey)], [digest, ttl])
      // Text, also from a client that is set to hand out buffers.
      if (String(known) !== digest) return { decision: 'conflict' }
      const byProcessedAt = compareModifyTimeWith === 'processedAt' ? '1' : '0'
      return toClaim(
        await run(
          CLAIM,
          [orderKeyOf(orderKey), answerKeyOf(orderKey, requestKey)],
          [String(orderModifyTime), String(Math.ceil(leaseMs)), byProcessedAt],
        ),
      )
    },

    async finish({ delivery, token }, { storedResponse, processed }) {
      const { orderKey, requestKey, digest, orderModifyTime } = delivery
      // Known for as long as its answer, which would else be replayed to another body.
      await run(REMEMBER, [requestKeyOf(requestKey)], [digest, ttl])
      const keys = [orderKeyOf(orderKey), answerKeyOf(orderKey, requestKey)]
      const values = [String(token), storedResponse, processed ? '1' : '0', String(orderModifyTime), ttl]
      return Number(await run(FINISH, keys, values)) === 1
    },

    async release({ delivery, token }) {
      return Number(await run(RELEASE, [orderKeyOf(delivery.orderKey)], [String(token)])) === 1
    },

    async read(orderKey) {
      const [token, modifyTime, processedAt, answer = '', leased] = asTexts(await run(READ, [orderKeyOf(orderKey)], []))
      if (!token) return undefined
      const last = { orderModifyTime: Number(modifyTime), processedAt: Number(processedAt), storedResponse: answer }
      return { ...(modifyTime && { last }), ...(leased && { lease: { token: Number(token) } }) }
    },
  }
}

function toClaim(reply: unknown): ClaimResult {
  const [decision, detail = ''] = asTexts(reply)
  switch (decision) {
    case 'process':
      return { decision, token: Number(detail) }
    case 'replay':
    case 'duplicate':
    case 'stale':
      return { decision, storedResponse: detail }
    default:
      return { decision: 'busy' }
  }
}

function asTexts(reply: unknown): string[] {
  return (reply as unknown[]).map(String)
}

/** The two clients differ in how they spell arguments, and in the case of one letter by which they can be told. */
function runner(client: NodeRedisClient | IoRedisClient) {
  return async (script: string, keys: string[], values: string[]): Promise<unknown> =>
    'evalSha' in client
      ? await client.eval(script, { keys, arguments: values })
      : await client.eval(script, keys.length, ...keys, ...values)
}
