import type { OrderSyncClient } from '../client/client.ts'
import { type RandomBytes, secureRandomBytes } from '../crypto/node.ts'
import {
  assertFunction,
  functionWithDefault,
  hasMethod,
  type OptionRules,
  resolveOptions,
  wholeNumber,
} from '../option-rules.ts'
import { type Credentials, parseCredentials } from '../secure-message/credentials.ts'
import type { OrderSyncHandler } from '../server/http.ts'
import { OBSERVE } from '../telemetry/observe.ts'
import type { ConsoleOutbox } from './outbox.ts'

/** A delivery as `record` receives it: a capture that `explain` and `replay` of the command line read. */
export interface RecordedDelivery {
  readonly id: string
  /** ISO 8601. */
  readonly receivedAt: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly bodyBase64: string
  /** The order, when the signature verified. */
  readonly order?: object
}

/** Options of {@link createConsole}. Give at least one of `handler`, `client` and `outbox`. */
export interface ConsoleOptions {
  /** The handler from `createOrderSyncHandler()`. The console shows what it receives. */
  handler?: OrderSyncHandler | undefined
  /** The client from `createOrderSyncClient()`. The console shows what it sends. */
  client?: OrderSyncClient<unknown> | undefined
  /** The outbox. The console shows waiting and failed events, and can retry and discard failed ones. */
  outbox?: ConsoleOutbox | undefined
  /**
   * The credentials of AlipayHK's side, with a test private key whose public key `handler` knows. With them, the page can send
   * orders to `handler`, and sign a delivery again and send it. Never use a production key. @defaultValue none
   */
  peer?: Credentials | undefined
  /** Receives every delivery. Without it, nothing leaves the memory of the process. @defaultValue none */
  record?: ((delivery: RecordedDelivery) => void) | undefined
  /**
   * Values of the `Host` header that are allowed in addition to `localhost`, `127.0.0.1` and `[::1]`, such as `staging.example:8080`.
   * With it, other machines and proxies can reach the console if they know the token. @defaultValue none
   */
  allowedHosts?: readonly string[] | undefined
  /** Where the console is mounted. @defaultValue '/order-sync-console' */
  basePath?: string | undefined
  /** How many deliveries are kept. @defaultValue 500 */
  maxDeliveries?: number | undefined
  /** Maximum memory for the bodies of deliveries, in bytes. The oldest bodies are dropped first. @defaultValue 33_554_432 */
  maxBytes?: number | undefined
  /** The clock, in milliseconds since the epoch. @defaultValue Date.now */
  now?: (() => number) | undefined
  /** The source of the token. @defaultValue randomBytes of node:crypto */
  randomBytes?: RandomBytes | undefined
}

const RULES = {
  handler: { assert: assertObservable('handler', 'createOrderSyncHandler') },
  client: { assert: assertObservable('client', 'createOrderSyncClient') },
  outbox: { assert: assertOutbox },
  peer: { assert: (value: unknown) => void parseCredentials(value as Credentials) },
  record: { assert: assertFunction },
  allowedHosts: { defaultValue: [], assert: assertHosts },
  basePath: { defaultValue: '/order-sync-console', assert: assertBasePath },
  maxDeliveries: wholeNumber(500, { min: 1 }),
  maxBytes: wholeNumber(33_554_432, { min: 1 }),
  now: functionWithDefault(() => Date.now()),
  randomBytes: functionWithDefault<RandomBytes>(secureRandomBytes),
} satisfies OptionRules<ConsoleOptions>

/** Checks the options and fills in the defaults, once, when the console is created. */
export function resolveConsoleOptions(options: ConsoleOptions) {
  const resolved = resolveOptions<ConsoleOptions, typeof RULES>('createConsole', RULES, options)
  const { handler, client, outbox } = resolved
  if (handler === undefined && client === undefined && outbox === undefined) {
    throw new TypeError('createConsole() needs "handler", "client" or "outbox"')
  }
  return resolved
}

function assertObservable(name: string, maker: string) {
  return (value: unknown) => {
    const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
    if (isObject && typeof Reflect.get(value, OBSERVE) === 'function') return
    throw new TypeError(`"${name}" must be the object that ${maker}() returns, not a wrapper or a copy`)
  }
}

function assertOutbox(value: unknown): void {
  if (!['stats', 'failed', 'retry', 'discard'].every((method) => hasMethod(value, method))) {
    throw new TypeError('"outbox" must be an outbox, with stats(), failed(), retry() and discard()')
  }
}

function assertHosts(value: unknown): void {
  const isHost = (host: unknown) =>
    typeof host === 'string' && /^[\w.-]+(?::\d{1,5})?$|^\[[\da-f:.]+\](?::\d{1,5})?$/i.test(host)
  if (!Array.isArray(value) || !value.every(isHost)) {
    throw new TypeError('"allowedHosts" must be a list of hosts, such as ["staging.example:8080"]')
  }
}

function assertBasePath(value: unknown): void {
  if (typeof value !== 'string' || !/^(?:\/[\w.~-]+)+$/.test(value)) {
    throw new TypeError('"basePath" must be a path, such as "/order-sync-console"')
  }
}
