import { type EncryptionOptions, resolveEncryptionOptions } from '../crypto/envelope.ts'
import { type RandomBytes, secureRandomBytes, secureRandomUUID } from '../crypto/random.ts'
import { type Credentials, parseCredentials } from '../secure-message/credentials.ts'
import { requireEncryptionKey } from '../secure-message/secure.ts'
import { STRICT_JSON } from '../protocol/json.ts'
import type { OpenObject } from '../messages/order.ts'
import type { StandardSchema } from '../messages/standard-schema.ts'
import { ENVIRONMENTS, type Environment, ORDER_SYNC_PATH } from '../protocol/endpoint.ts'

/** Options of {@link createOrderSyncClient}. Give `environment` or `url`. */
export interface ClientOptions<ExtInfo = OpenObject> {
  /** Ours and the peer's keys. */
  credentials: Credentials
  /** One of AlipayHK's hosts, see {@link ENVIRONMENTS}. */
  environment?: Environment | undefined
  /** Another endpoint: a whole URL, or an origin, to which the API's path is added. */
  url?: string | URL | undefined
  /** The path that is signed, where a proxy in between rewrites it. @defaultValue path and query string of the URL */
  signedPath?: string | undefined
  /** Whether orders are encrypted to the peer's latest RSA key. @defaultValue false */
  encrypt?: boolean | undefined
  /** What `extInfo` must be: any Standard Schema validator. It is validated, and sent as you gave it. */
  extInfoSchema?: StandardSchema<ExtInfo, unknown> | undefined
  /** Milliseconds for one attempt: signing, connection, answer and its decryption. @defaultValue 10_000 */
  timeoutMs?: number | undefined
  /** How often to try again after `U`, a failure of the network, or an HTTP 5xx. @defaultValue 3 */
  retries?: number | undefined
  /** Milliseconds, at most, before the first retry; doubles with each. @defaultValue 500 */
  baseDelayMs?: number | undefined
  /** Milliseconds, at most, before any retry. @defaultValue 10_000 */
  maxDelayMs?: number | undefined
  /** Largest answer that is read, in bytes. @defaultValue 1_048_576 */
  maxResponseBytes?: number | undefined
  /** Seconds that a `Response-Time` may differ from our clock, either way. @defaultValue 300 */
  clockToleranceSeconds?: number | undefined
  /** How encrypted messages are encrypted. @defaultValue AES-256/ECB under RSAES-PKCS1-v1_5 */
  encryption?: EncryptionOptions | undefined
  /** Sent as `Agent-Token`. @defaultValue none */
  agentToken?: string | undefined
  /** Send numbers in `extInfo` that are not safe integers, instead of refusing them. @defaultValue false */
  allowFractions?: boolean | undefined
  /** @defaultValue the global one */
  fetch?: typeof globalThis.fetch | undefined
  /** The clock, in milliseconds since the epoch. @defaultValue Date.now */
  now?: (() => number) | undefined
  /** From 0 up to 1, for the jitter of retries. @defaultValue Math.random */
  random?: (() => number) | undefined
  /** @defaultValue that of node:crypto */
  randomBytes?: RandomBytes | undefined
  /** For `requestId`; dashes are taken out. @defaultValue that of node:crypto */
  randomUUID?: (() => string) | undefined
}

/** Fills in defaults and refuses nonsense, once, when the client is created. */
export function resolveOptions<ExtInfo>(options: ClientOptions<ExtInfo>) {
  const { encrypt = false, extInfoSchema, agentToken, allowFractions = false, encryption } = options
  const { timeoutMs = 10_000, retries = 3, baseDelayMs = 500, maxDelayMs = 10_000 } = options
  const { maxResponseBytes = 1_048_576, clockToleranceSeconds = 300 } = options
  const { now = Date.now, random = Math.random, fetch = globalThis.fetch } = options
  const { randomBytes = secureRandomBytes, randomUUID = secureRandomUUID } = options
  for (const [name, value] of Object.entries({ timeoutMs, baseDelayMs, maxDelayMs, maxResponseBytes, clockToleranceSeconds })) {
    if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw new RangeError(`"${name}" must be positive and finite`)
  }
  for (const [name, value] of Object.entries({ timeoutMs, maxDelayMs })) {
    // A timer that is set for longer fires at once.
    if (value >= 2 ** 31) throw new RangeError(`"${name}" must be less than 2 ** 31`)
  }
  if (!Number.isSafeInteger(retries) || retries < 0) throw new RangeError('"retries" must be a whole number, 0 or more')
  // Found out by fetch, it would pass for a failure of the network, and be quoted.
  if (agentToken !== undefined && !/^[!-~]+$/.test(agentToken)) {
    throw new TypeError('"agentToken" must be visible ASCII characters')
  }
  const url = resolveUrl(options.url, options.environment)
  const credentials = parseCredentials(options.credentials)
  return {
    ...{ url, path: options.signedPath ?? url.pathname + url.search, credentials, extInfoSchema, agentToken },
    ...{ timeoutMs, retries, baseDelayMs, maxDelayMs, maxResponseBytes, clockToleranceSeconds },
    ...{ now, random, fetch, randomUUID },
    encryptTo: encrypt ? requireEncryptionKey(credentials) : undefined,
    json: { ...STRICT_JSON, allowFractions },
    envelope: { suite: resolveEncryptionOptions(encryption), randomBytes },
  }
}

function resolveUrl(url: string | URL | undefined, environment: Environment | undefined): URL {
  if ((url === undefined) === (environment === undefined)) throw new TypeError('Give either "environment" or "url"')
  if (environment !== undefined && !Object.hasOwn(ENVIRONMENTS, environment)) {
    throw new RangeError(`"environment" must be one of ${Object.keys(ENVIRONMENTS).join(', ')}`)
  }
  const given = environment === undefined ? url : ENVIRONMENTS[environment]
  if (!URL.canParse(String(given))) throw new TypeError('"url" is not a URL')
  const resolved = new URL(String(given))
  if (!/^https?:$/.test(resolved.protocol) || resolved.username !== '' || resolved.password !== '') {
    throw new TypeError('"url" must be an http or https URL without user name and password')
  }
  if (resolved.pathname === '/') resolved.pathname = ORDER_SYNC_PATH
  resolved.hash = ''
  return resolved
}

/** What {@link resolveOptions} makes of the options. */
export type Settings<ExtInfo> = ReturnType<typeof resolveOptions<ExtInfo>>
