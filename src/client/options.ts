import { type EncryptionOptions, resolveEncryptionOptions } from '../crypto/envelope.ts'
import { type RandomBytes, secureRandomBytes, secureRandomUUID } from '../crypto/node.ts'
import type { OpenObject } from '../messages/order.ts'
import type { StandardSchema } from '../messages/standard-schema.ts'
import {
  anyValue,
  assertFunction,
  assertStandardSchema,
  assertText,
  flag,
  functionWithDefault,
  type OptionRules,
  positiveNumber,
  resolveOptions,
  wholeNumber,
} from '../option-rules.ts'
import { ENVIRONMENTS, type Environment } from '../protocol/endpoint.ts'
import { resolveUrl } from '../protocol/endpoint-url.ts'
import { STRICT_JSON } from '../protocol/json.ts'
import { type Credentials, parseCredentials, requireEncryptionKey } from '../secure-message/credentials.ts'
import type { ClientEvent } from './event.ts'

/** Options of {@link createOrderSyncClient}. Give either `environment` or `url`. */
export interface ClientOptions<ExtInfo = OpenObject> {
  /** Your keys and the peer's. @group Required */
  credentials: Credentials
  /** One of AlipayHK's hosts, see {@link ENVIRONMENTS}. Give this or `url`. @group Required */
  environment?: Environment | undefined
  /** Another endpoint: a full URL, or an origin, to which the client adds the path of the API. Give this or `environment`. @group Required */
  url?: string | URL | undefined
  /** Allow an `http:` URL to another machine. Everyone on the network path can then read orders that are not encrypted. @group Network @defaultValue false */
  allowInsecureUrl?: boolean | undefined
  /** The path to sign, if a proxy rewrites it. @group Partners that differ @defaultValue path and query string of the URL */
  signedPath?: string | undefined
  /** Encrypt orders with the peer's latest RSA key. @group Orders @defaultValue false */
  encrypt?: boolean | undefined
  /** Validates `extInfo`: any Standard Schema validator. The client sends `extInfo` as you gave it, not the output of the schema. @group Orders */
  extInfoSchema?: StandardSchema<ExtInfo, unknown> | undefined
  /** Time limit of each attempt, in milliseconds: sign, connect, receive the response and verify it. @group Time limits @defaultValue 10_000 */
  timeoutMs?: number | undefined
  /** Upper bound of retries after `U`, `A`, a network failure, or an HTTP 5xx, 429 or 408. @group Retries @defaultValue 3 */
  retries?: number | undefined
  /** Upper bound of the first retry delay, in milliseconds. Doubles with each retry. @group Retries @defaultValue 500 */
  baseDelayMs?: number | undefined
  /** Upper bound of every retry delay, in milliseconds, even if `Retry-After` asks for more. @group Retries @defaultValue 10_000 */
  maxDelayMs?: number | undefined
  /** The largest accepted response, in bytes. @group Size and load @defaultValue 1_048_576 */
  maxResponseBytes?: number | undefined
  /** How far a `Response-Time` may differ from the local clock, in seconds, in either direction. @group Time limits @defaultValue 300 */
  clockToleranceSeconds?: number | undefined
  /** Encryption parameters, if your gateway differs from the default. @group Partners that differ @defaultValue AES-256/ECB under RSAES-PKCS1-v1_5 */
  encryption?: EncryptionOptions | undefined
  /** The value of the `Agent-Token` header. @group Orders @defaultValue none */
  agentToken?: string | undefined
  /** Send fractions, such as 1.5, in `extInfo`, instead of rejecting them. @group Orders @defaultValue false */
  allowFractions?: boolean | undefined
  /**
   * Receives every attempt and every outcome. The enumerable members of the event are safe to log. A failure also rejects
   * `syncOrder()`. @group Events
   */
  onEvent?: ((event: ClientEvent) => void) | undefined
  /** Sends the requests. Pass your own to use a proxy or a client certificate. @group Network @defaultValue the global fetch */
  fetch?: typeof globalThis.fetch | undefined
  /** The clock, in milliseconds since the epoch. @group For tests @defaultValue Date.now */
  now?: (() => number) | undefined
  /** Returns a number from 0 up to, but not including, 1: the jitter of retry delays. @group For tests @defaultValue Math.random */
  random?: (() => number) | undefined
  /** The source of random bytes. @group For tests @defaultValue randomBytes of node:crypto */
  randomBytes?: RandomBytes | undefined
  /** For `requestId`, without its dashes. @group For tests @defaultValue randomUUID of node:crypto */
  randomUUID?: (() => string) | undefined
}

/** Each option of the client: its default, and the check of its value. */
// A function, so that bundlers can drop it, and all that it refers to, from programs that create no client.
export const clientOptionRules = () =>
  ({
    credentials: { required: true, assert: (value: unknown) => void parseCredentials(value as Credentials) },
    environment: { assert: assertEnvironment },
    url: anyValue(),
    allowInsecureUrl: flag(false),
    signedPath: { assert: assertText },
    encrypt: flag(false),
    extInfoSchema: { assert: assertStandardSchema },
    timeoutMs: positiveNumber(10_000, { isTimer: true }),
    retries: wholeNumber(3, { min: 0 }),
    baseDelayMs: positiveNumber(500),
    maxDelayMs: positiveNumber(10_000, { isTimer: true }),
    maxResponseBytes: positiveNumber(1_048_576),
    clockToleranceSeconds: positiveNumber(300),
    encryption: anyValue(),
    agentToken: { assert: assertAgentToken },
    allowFractions: flag(false),
    onEvent: { assert: assertFunction },
    fetch: { assert: assertFunction },
    now: functionWithDefault(() => Date.now()),
    random: functionWithDefault(() => Math.random()),
    randomBytes: functionWithDefault<RandomBytes>(secureRandomBytes),
    randomUUID: functionWithDefault<() => string>(secureRandomUUID),
  }) as const satisfies OptionRules<ClientOptions>

/** Checks the options and fills in the defaults, once, when the client is created. */
export function resolveClientOptions<ExtInfo>(options: ClientOptions<ExtInfo>) {
  const resolved = resolveOptions<ClientOptions<ExtInfo>, ReturnType<typeof clientOptionRules>>(
    'createOrderSyncClient',
    clientOptionRules(),
    options,
  )
  const { encrypt, allowFractions, encryption, randomBytes, fetch = globalThis.fetch } = resolved
  const url = resolveUrl(resolved)
  const credentials = parseCredentials(resolved.credentials)
  return {
    ...resolved,
    url,
    signedPath: resolved.signedPath ?? url.pathname + url.search,
    credentials,
    fetch,
    encryptTo: encrypt ? requireEncryptionKey(credentials) : undefined,
    json: { ...STRICT_JSON, allowFractions },
    encryption: { options: resolveEncryptionOptions(encryption), randomBytes },
  }
}

function assertEnvironment(value: unknown): void {
  if (typeof value !== 'string' || !Object.hasOwn(ENVIRONMENTS, value)) {
    throw new RangeError(`"environment" must be one of ${Object.keys(ENVIRONMENTS).join(', ')}`)
  }
}

/** Checked here, because the error of fetch would look like a network failure and quote the token. */
function assertAgentToken(value: unknown): void {
  if (typeof value !== 'string' || !/^[!-~]+$/.test(value)) {
    throw new TypeError('"agentToken" must be visible ASCII characters')
  }
}

/** The options of a client, resolved. */
export type ClientSettings<ExtInfo> = ReturnType<typeof resolveClientOptions<ExtInfo>>
