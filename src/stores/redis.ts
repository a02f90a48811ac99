import {
  assertFunction,
  assertText,
  hasMethod,
  type OptionRules,
  resolveOptions,
  wholeNumber,
} from '../option-rules.ts'
import { toClaimResult } from '../policy/idempotency.ts'
import { listenForErrors } from './connection.ts'
import { pauseWhileSilent } from './redis-silence.ts'
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

/** The part of an `@upstash/redis` client that the store uses. */
export interface UpstashRedisClient {
  readonly evalsha: unknown
  readonly createScript: unknown
  eval(script: string, keys: string[], values: string[]): Promise<unknown>
}

/** Options of {@link redisStore}. */
export interface RedisStoreOptions {
  /** Your connected client of `redis`, `ioredis` or `@upstash/redis`. A cluster client works too. */
  client: NodeRedisClient | IoRedisClient | UpstashRedisClient
  /** The prefix of every key. @defaultValue 'order-sync:' */
  prefix?: string | undefined
  /** How long a stored response can be replayed, in milliseconds. Orders are never removed. @defaultValue 604_800_000 (seven days) */
  responseTtlMs?: number | undefined
  /**
   * Receives the error of a broken connection. The client reconnects. Without this option, and without your own listener on the
   * client, the first such error is a process warning.
   */
  onError?: ((error: unknown) => void) | undefined
}

const OPTIONS = {
  client: { required: true, assert: assertClient },
  prefix: {
    defaultValue: 'order-sync:' as string,
    assert(value: unknown, name: string) {
      assertText(value, name)
      if (/[{}]/.test(String(value)))
        throw new RangeError(`"${name}" must not contain braces: they select the hash slot`)
    },
  },
  responseTtlMs: wholeNumber(604_800_000, { min: 1 }),
  onError: { assert: assertFunction },
} satisfies OptionRules<RedisStoreOptions>

/** Throws unless the value is a client. If the value is recognized, the message names it. */
function assertClient(value: unknown, name: string): void {
  if (hasMethod(value, 'then')) {
    throw new TypeError(`"${name}" is a Promise: await it first, as in "await createClient().connect()"`)
  }
  if (hasMethod(value, 'internal_send_command')) {
    throw new TypeError(`"${name}" is a client of redis 3 or earlier: install redis 4 or later`)
  }
  if (!hasMethod(value, 'eval') || !(hasMethod(value, 'evalSha') || hasMethod(value, 'evalsha'))) {
    throw new TypeError(`"${name}" must be a client of the package "redis", "ioredis" or "@upstash/redis"`)
  }
}

/** Throws if the client was passed instead of the options, or is missing in them. */
function assertClientOption(options: unknown): void {
  if (hasMethod(options, 'eval') || hasMethod(options, 'then')) {
    throw new TypeError('redisStore() takes an object of options: redisStore({ client })')
  }
  if (typeof options === 'object' && options !== null && Reflect.get(options, 'client') === undefined) {
    throw new TypeError('"client" is missing: redisStore({ client: await createClient().connect() })')
  }
}

/**
 * KEYS: request. ARGV: digest, responseTtlMs, '1' to write although the memory is full. Remembers the digest. Returns 0 when
 * another one is known. A separate script: two orders can use the same requestId, so a request is not in the hash slot of its
 * order.
 *
 * With a full memory, Redis refuses a command that needs more as the first write of a script. After a DEL it does not.
 */
const REMEMBER = `
local known = redis.call('GET', KEYS[1])
if known then
  if known ~= ARGV[1] then return 0 end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
if ARGV[3] == '1' then redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

/** The clock of Redis, and whether a lease is valid. A lease from the future is not: the clock was set back after the claim. */
const CLOCK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function holds(lease_until, leased_at)
  lease_until, leased_at = tonumber(lease_until), tonumber(leased_at)
  return lease_until and lease_until > now and not (leased_at and leased_at > now + 1000)
end`

/**
 * Returned responses and digests begin with "=": the client of Upstash would parse JSON.
 *
 * KEYS: order, response to the request. ARGV: orderModifyTime, leaseMs, '1' to compare with processed_at too.
 * A token is never below the clock: if Redis loses the order, its next claim must not get a token that was given before.
 */
const CLAIM = `${CLOCK}
local response = redis.call('GET', KEYS[2])
if response then return {'replay', '=' .. response} end
local order = redis.call('HMGET', KEYS[1],
  'modify_time', 'processed_at', 'response', 'token', 'lease_until', 'leased_at', 'content')
local modify_time, processed_at = tonumber(order[1]), tonumber(order[2])
local incoming = tonumber(ARGV[1])
if modify_time and not (incoming > modify_time and (ARGV[3] == '0' or incoming > processed_at)) then
  local content = order[7] and '=' .. order[7]
  return {incoming == modify_time and 'duplicate' or 'stale', '=' .. order[3], false, order[1], content}
end
if holds(order[5], order[6]) then return {'busy'} end
local token = string.format('%.0f', math.max((tonumber(order[4]) or 0) + 1, now))
redis.call('HSET', KEYS[1], 'token', token, 'leased_at', now, 'lease_until', now + ARGV[2])
return {'process', false, token}`

const END_CLAIM = `
local order = redis.call('HMGET', KEYS[1], 'token', 'lease_until')
if order[1] ~= ARGV[1] or not order[2] then return 0 end
redis.call('HDEL', KEYS[1], 'lease_until')`

/**
 * The HDEL of END_CLAIM comes first: after it, Redis does not refuse the other writes when its memory is full.
 *
 * KEYS: order, response to the request, requests of the order. ARGV: token, response, '1' if processed, orderModifyTime,
 * responseTtlMs, contentDigest, request.
 */
const FINISH = `${CLOCK}${END_CLAIM}
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], 'modify_time', ARGV[4], 'processed_at', string.format('%.0f', now), 'response', ARGV[2],
    'content', ARGV[6])
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[5])
redis.call('SADD', KEYS[3], ARGV[7])
redis.call('PEXPIRE', KEYS[3], ARGV[5])
return 1`

/** KEYS: requests of the order. */
const REQUESTS = `return redis.call('SMEMBERS', KEYS[1])`

/**
 * KEYS: order, requests of the order, and the response to each of them. Returns 'again' when there are other requests by now.
 * The digests of the requests stay: another content under the same requestId is still a conflict.
 */
const FORGET = `${CLOCK}
local order = redis.call('HMGET', KEYS[1], 'lease_until', 'leased_at', 'modify_time')
if holds(order[1], order[2]) then return 'busy' end
if redis.call('SCARD', KEYS[2]) ~= #KEYS - 2 then return 'again' end
for number = 2, #KEYS do redis.call('DEL', KEYS[number]) end
redis.call('HDEL', KEYS[1], 'modify_time', 'processed_at', 'response', 'content')
return (order[3] or #KEYS > 2) and 'forgotten' or 'unknown'`

/** How often {@link FORGET} is tried while requests of the order end. */
const FORGET_ATTEMPTS = 10

/** KEYS: order. ARGV: token. */
const RELEASE = `${END_CLAIM}
return 1`

/** KEYS: order. */
const READ = `${CLOCK}
local order = redis.call('HMGET', KEYS[1], 'token', 'modify_time', 'processed_at', 'response', 'lease_until', 'leased_at')
local response = order[4] and '=' .. order[4]
return {order[1], order[2], order[3], response, holds(order[5], order[6]) and '1' or '0'}`

/**
 * A store in Redis, for any number of machines. Every step is one script, and all keys of a script are in one hash slot. Leases
 * use the clock of Redis.
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
 * const client = createClient({ url: 'redis://127.0.0.1:6379' })
 * client.on('error', (error) => console.error('the connection to Redis broke; the client reconnects', error))
 * await client.connect()
 * export const store = redisStore({ client })
 * ```
 */
export function redisStore(options: RedisStoreOptions): OrderSyncStore {
  assertClientOption(options)
  const { client, prefix, responseTtlMs, onError } = resolveOptions('redisStore', OPTIONS, options)
  listenForErrors(client, {
    owner: 'redisStore',
    meaning: 'the connection to Redis broke, and the client reconnects',
    fix: 'Listen for errors: client.on("error", …)',
    onError,
  })
  const ttl = String(responseTtlMs)
  const run = createRunner(client)
  // Redis hashes what is in braces: all keys of an order are in one slot.
  const toOrderKey = (orderKey: string) => `${prefix}{${orderKey}}`
  const toResponseKey = (orderKey: string, requestKey: string) => `${prefix}{${orderKey}}:response:${requestKey}`
  const toRequestsKey = (orderKey: string) => `${prefix}{${orderKey}}:requests`
  const toRequestKey = (requestKey: string) => `${prefix}request:${requestKey}`

  return {
    async claim({ orderKey, requestKey, digest, orderModifyTime }, { leaseMs, compareModifyTimeWith }) {
      const remembered = await run(REMEMBER, [toRequestKey(requestKey)], [digest, ttl, '0'])
      if (Number(remembered) !== 1) return toClaimResult({ decision: 'conflict' })
      const [decision, storedResponse, token, lastModifyTime, lastContent] = toTexts(
        await run(
          CLAIM,
          [toOrderKey(orderKey), toResponseKey(orderKey, requestKey)],
          [String(orderModifyTime), String(Math.ceil(leaseMs)), compareModifyTimeWith === 'processedAt' ? '1' : '0'],
        ),
      )
      return toClaimResult({
        decision,
        storedResponse: storedResponse?.slice(1),
        token: token && Number(token),
        last: { orderModifyTime: lastModifyTime && Number(lastModifyTime), contentDigest: lastContent?.slice(1) },
      })
    },

    async finish({ delivery, token }, { storedResponse, processed }) {
      const { orderKey, requestKey, digest, contentDigest, orderModifyTime } = delivery
      // The digest must live as long as the response: without it, another body would get this response.
      await run(REMEMBER, [toRequestKey(requestKey)], [digest, ttl, '1'])
      const keys = [toOrderKey(orderKey), toResponseKey(orderKey, requestKey), toRequestsKey(orderKey)]
      const state = [String(token), storedResponse, processed ? '1' : '0', String(orderModifyTime)]
      return Number(await run(FINISH, keys, [...state, ttl, contentDigest, requestKey])) === 1
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
          last: {
            orderModifyTime: Number(modifyTime),
            processedAt: Number(processedAt),
            storedResponse: storedResponse.slice(1),
          },
        }),
        ...(leased === '1' && { lease: { token: Number(token) } }),
      }
    },

    async forget(orderKey) {
      for (let attempt = 1; attempt <= FORGET_ATTEMPTS; attempt++) {
        const requestKeys = toTexts(await run(REQUESTS, [toRequestsKey(orderKey)], []))
        const responseKeys = requestKeys.map((requestKey) => toResponseKey(orderKey, requestKey ?? ''))
        const result = String(await run(FORGET, [toOrderKey(orderKey), toRequestsKey(orderKey), ...responseKeys], []))
        if (result === 'forgotten' || result === 'unknown' || result === 'busy') return result
      }
      return 'busy'
    },

    async ping() {
      await run('return 1', [toOrderKey('')], [])
    },
  }
}

/** The elements of an array that a script returned. A false in Lua arrives as null. A client can return buffers or numbers. */
function toTexts(elements: unknown): (string | undefined)[] {
  if (!Array.isArray(elements)) throw new TypeError('Redis returned no array')
  return elements.map((element: unknown) => (element === null ? undefined : String(element)))
}

/**
 * Runs a script with any of the clients. They take arguments in different forms. Only node-redis has `evalSha` in this
 * spelling, and only the client of Upstash has `createScript`.
 */
function createRunner(client: RedisStoreOptions['client']) {
  const run = async (script: string, keys: string[], values: string[]): Promise<unknown> => {
    if ('evalSha' in client) return await client.eval(script, { keys, arguments: values })
    if ('createScript' in client) return await client.eval(script, keys, values)
    return await client.eval(script, keys.length, ...keys, ...values)
  }
  // node-redis with a single connection: its clients for pools and clusters do not have this property.
  return 'evalSha' in client && 'isPubSubActive' in client ? pauseWhileSilent(run) : run
}
