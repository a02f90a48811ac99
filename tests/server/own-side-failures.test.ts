import { inspect } from 'node:util'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  createOrderSyncHandler,
  type HandlerOptions,
  type IncomingRequest,
  memoryStore,
  type OrderResult,
  type OrderSyncEvent,
  PARSED_BODY,
  parsePrivateKey,
} from '../../src/public/index.ts'
import { mysqlStore } from '../../src/stores/mysql.ts'
import { postgresStore } from '../../src/stores/postgres.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { until } from '../support/deferred.ts'
import { gatewayEcc, merchantRsa } from '../support/keys.ts'
import { encryptedRequest, merchantCredentials, NOW, order, request } from '../support/messages.ts'
import { recordWarnings } from '../support/warnings.ts'

vi.mock('node:timers/promises', () => import('../support/timers.ts'))

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
})

type Options = Partial<HandlerOptions<unknown, undefined>>

/** One failure of the merchant's own side. */
interface Failure {
  readonly failure: string
  readonly options: () => Options
  readonly request?: () => IncomingRequest
  readonly kind?: OrderSyncEvent['kind']
  readonly code: string
  /** What is printed, up to the ids of the request. */
  readonly prints: string
}

/** In every error that the rows throw: nothing of it may be printed. */
const SECRET = 'SECRET-of-a-customer'

const coded = (code: string | number, error: Error = new Error(SECRET)) => Object.assign(error, { code })
/** Whether the handler waits for the clock, which stands still otherwise: a slow machine must not time out anything. */
let isWaiting = false
const never = () => {
  isWaiting = true
  return new Promise<never>(() => {})
}
const throws =
  (error: unknown = new Error(SECRET)) =>
  () => {
    throw error
  }

const store = (changes: Partial<OrderSyncStore>): Options => ({ store: { ...memoryStore(), ...changes } })
const signer = (changes: object) => ({
  credentials: {
    ...merchantCredentials(),
    privateKeys: { 1: { algorithm: 'RSA256' as const, sign: throws(coded(14)), ...changes } },
  },
})
const signs = (bytes: Uint8Array) => parsePrivateKey(merchantRsa().privateKey).sign(bytes)
/** Signs the check of the own keys, and no response. */
const signsOnce = () => {
  let calls = 0
  return (bytes: Uint8Array) => (calls++ === 0 ? signs(bytes) : never())
}
const CAUSE = 'The error is in event.error.cause of "onEvent". It is not printed, because it may contain customer data.'
const AFTER = 'The request timed out after 20 ms ("timeoutMs")'

const FAILURES: readonly Failure[] = [
  // The store.
  {
    failure: 'the database is down',
    options: () => store({ claim: async () => throws(coded('ECONNREFUSED'))() }),
    code: 'ERR_STORE',
    prints: `store.claim() threw Error (code ECONNREFUSED). ${CAUSE}`,
  },
  {
    failure: 'the table has another column',
    options: () => store({ claim: async () => throws(new TypeError(SECRET, { cause: coded('42703') }))() }),
    code: 'ERR_STORE',
    prints: `store.claim() threw TypeError, caused by Error (code 42703). ${CAUSE}`,
  },
  {
    failure: 'the tables are missing',
    options: () => ({
      store: postgresStore({
        pool: {
          query: async () => throws(coded('42P01', new Error('no such table')))(),
          connect: never,
          on: () => undefined,
        } as never,
      }),
    }),
    code: 'ERR_STORE_NOT_MIGRATED',
    prints:
      'The tables or functions of the store are missing in the database or outdated: run migratePostgres(pool) first. If you have, check the schema and the search_path of the connection.',
  },
  {
    failure: 'the procedures in MySQL are missing',
    options: () => ({
      store: mysqlStore({
        pool: {
          getConnection: async () => ({
            query: async () => throws(Object.assign(new Error('no such procedure'), { errno: 1305, sql: SECRET }))(),
            release: () => undefined,
            destroy: () => undefined,
            on: () => undefined,
            off: () => undefined,
          }),
        },
      }),
    }),
    code: 'ERR_STORE_NOT_MIGRATED',
    prints:
      'The tables or procedures of the store are missing in the database or outdated: run migrateMysql(pool) first. If you have, check the database of the connection.',
  },
  {
    failure: 'a store of the merchant returns no decision',
    options: () => store({ claim: async () => ({ decision: 'yes' }) as never }),
    code: 'ERR_STORE',
    prints:
      'The store returned an unknown decision: yes. Its tables or functions may belong to another release of alipayhk-order-sync: migrate the store.',
  },
  {
    failure: 'the store returns a damaged response',
    options: () => store({ claim: async () => ({ decision: 'replay', storedResponse: `{"orderId":"${SECRET}"` }) }),
    code: 'ERR_STORE',
    prints: 'The store returned a response that this library did not store.',
  },
  {
    failure: 'the store hangs',
    options: () => ({ ...store({ claim: never }), storeTimeoutMs: 10 }),
    code: 'ERR_STORE_TIMEOUT',
    prints: 'store.claim() took longer than 10 ms ("storeTimeoutMs").',
  },
  {
    failure: 'the store hangs until the time is up',
    options: () => ({ ...store({ claim: never }), timeoutMs: 20 }),
    code: 'ERR_STORE_TIMEOUT',
    prints: `${AFTER}: store.claim() was still running.`,
  },
  {
    failure: 'the store goes down after onOrder, until the lease ends',
    options: () => ({ ...store({ finish: async () => throws(coded('ECONNRESET'))() }), timeoutMs: 10, leaseMs: 11 }),
    code: 'ERR_STORE',
    prints: `store.finish() threw Error (code ECONNRESET). ${CAUSE} "onOrder" had succeeded: the next delivery of the order may run it again.`,
  },
  {
    failure: 'the store goes down after onOrder, and the time is up',
    options: () => ({
      ...store({
        async finish() {
          isWaiting = true
          throw coded('EPIPE')
        },
      }),
      timeoutMs: 20,
      leaseMs: 200,
    }),
    code: 'ERR_STORE',
    prints: `store.finish() threw Error (code EPIPE). ${CAUSE} The handler retries until the lease ends.`,
  },
  {
    failure: 'the store hangs after onOrder',
    options: () => ({ ...store({ finish: never }), timeoutMs: 20 }),
    code: 'ERR_STORE_TIMEOUT',
    prints: `${AFTER}: store.finish() was still running.`,
  },
  {
    failure: 'a transaction cannot be committed',
    options: () =>
      store({
        async finishInTransaction(_held, work) {
          await work(undefined)
          throw coded('40001', new RangeError(SECRET))
        },
      }),
    code: 'ERR_STORE',
    prints: `store.finishInTransaction() threw RangeError (code 40001). ${CAUSE}`,
  },
  {
    failure: 'onOrder outlives its lease',
    options: () => store({ finish: async () => false }),
    kind: 'fenced',
    code: 'ERR_FENCED',
    prints:
      '"onOrder" ended after its lease of 30000 ms ("leaseMs"), and another delivery of the order was claimed: the result was not stored, and "onOrder" may have run twice.',
  },
  // onOrder.
  {
    failure: 'onOrder throws',
    options: () => ({ onOrder: throws(new TypeError(SECRET)) }),
    code: 'ERR_ON_ORDER',
    prints: `"onOrder" threw TypeError. ${CAUSE}`,
  },
  {
    failure: 'onOrder breaks a unique constraint',
    options: () => ({ onOrder: throws(coded('23505')) }),
    code: 'ERR_ON_ORDER',
    prints: `"onOrder" threw Error (code 23505). ${CAUSE}`,
  },
  {
    failure: 'onOrder throws text',
    options: () => ({ onOrder: throws(SECRET) }),
    code: 'ERR_ON_ORDER',
    prints: `"onOrder" threw a string. ${CAUSE}`,
  },
  {
    failure: 'onOrder reads a wrong key',
    options: () => ({ onOrder: () => parsePrivateKey(SECRET) as never }),
    code: 'ERR_ON_ORDER',
    prints: `"onOrder" threw ConfigurationError (code ERR_KEY_FORMAT). ${CAUSE}`,
  },
  {
    failure: 'onOrder hangs',
    options: () => ({ onOrder: never, timeoutMs: 20, leaseMs: 40 }),
    code: 'ERR_ON_ORDER_TIMEOUT',
    prints: `${AFTER}: "onOrder" was still running. Its result is stored if it ends within "leaseMs".`,
  },
  {
    failure: 'onOrder returns nothing',
    options: () => ({ onOrder: () => undefined as unknown as OrderResult }),
    code: 'ERR_ORDER_ID',
    prints: '"onOrder" must return { orderId }, a string of 1 to 64 characters.',
  },
  // Keys and credentials.
  {
    failure: 'the credentials look-up throws',
    options: () => ({ credentials: throws(coded('ENOTFOUND')) }),
    kind: 'unavailable',
    code: 'ERR_CREDENTIALS_LOOKUP',
    prints: `The function "credentials" threw Error (code ENOTFOUND). ${CAUSE}`,
  },
  {
    failure: 'the credentials look-up hangs',
    options: () => ({ credentials: never, timeoutMs: 20 }),
    kind: 'unavailable',
    code: 'ERR_CREDENTIALS_LOOKUP',
    prints: `${AFTER}: the function "credentials" was still running.`,
  },
  {
    failure: 'the credentials look-up returns a wrong key',
    options: () => ({ credentials: () => ({ ...merchantCredentials(), privateKeys: { 1: SECRET } }) }),
    kind: 'unavailable',
    code: 'ERR_KEY_FORMAT',
    prints: 'privateKeys[1] is ',
  },
  {
    failure: 'the peer has no key to encrypt to',
    options: () => ({
      credentials: { ...merchantCredentials(), peerPublicKeys: { 1: gatewayEcc().publicKey } },
    }),
    request: () => encryptedRequest({ key: gatewayEcc().privateKey }),
    kind: 'unavailable',
    code: 'ERR_KEY_USE',
    prints: 'Encryption needs an RSA key, given in any form but a CryptoKey.',
  },
  {
    failure: 'the signer is down',
    options: () => signer({}),
    kind: 'unavailable',
    code: 'ERR_SIGNER',
    prints: `"sign" of the signer threw Error (code 14). ${CAUSE}`,
  },
  {
    failure: 'the signer hangs',
    options: () => ({ ...signer({ sign: signsOnce() }), timeoutMs: 20 }),
    kind: 'unavailable',
    code: 'ERR_SIGNER',
    prints: '"sign" of the signer took longer than 20 ms ("timeoutMs").',
  },
  {
    failure: 'the signer returns text',
    options: () => signer({ sign: () => SECRET }),
    kind: 'unavailable',
    code: 'ERR_SIGNER_RESULT',
    prints: `"sign" of the signer returned a string. Return the bytes of the signature. Decode base64 text with Buffer.from(text, 'base64').`,
  },
  {
    failure: 'the signer cannot decrypt',
    options: () => signer({ decrypt: throws(coded('ThrottlingException')) }),
    request: encryptedRequest,
    kind: 'unavailable',
    code: 'ERR_SIGNER',
    prints: `"decrypt" of the signer threw Error (code ThrottlingException). ${CAUSE}`,
  },
  {
    failure: 'the signer hangs while it decrypts',
    options: () => ({
      ...signer({ sign: signs, decrypt: never }),
      timeoutMs: 20,
    }),
    request: encryptedRequest,
    kind: 'unavailable',
    code: 'ERR_SIGNER',
    prints: `${AFTER}: "decrypt" of the signer was still running.`,
  },
  // Other functions of the options, and the mounting.
  {
    failure: 'signedPath throws',
    options: () => ({ signedPath: throws(new URIError(SECRET)) }),
    kind: 'unavailable',
    code: 'ERR_OPTION',
    prints: `"signedPath" threw URIError. ${CAUSE}`,
  },
  {
    failure: 'signedPath is async',
    options: () => ({ signedPath: (async () => '/') as never }),
    kind: 'unavailable',
    code: 'ERR_PATH',
    prints: 'The path is not a string: "signedPath" must be, or return, the request-target that the sender signs.',
  },
  {
    failure: 'extInfoSchema throws',
    options: () => ({ extInfoSchema: { '~standard': { version: 1, vendor: 'test', validate: throws() } } }),
    kind: 'unavailable',
    code: 'ERR_OPTION',
    prints: `"extInfoSchema" threw Error. ${CAUSE}`,
  },
  {
    failure: 'extInfoSchema hangs',
    options: () => ({
      extInfoSchema: { '~standard': { version: 1, vendor: 'test', validate: never } },
      timeoutMs: 20,
    }),
    kind: 'unavailable',
    code: 'ERR_HANDLER_TIMEOUT',
    prints: `${AFTER} while "extInfoSchema" was still running.`,
  },
  {
    failure: 'the clock throws',
    options: () => ({ now: throws() }),
    kind: 'unavailable',
    code: 'ERR_OPTION',
    prints: `"now" threw Error. ${CAUSE}`,
  },
  {
    failure: 'randomBytes throws',
    options: () => ({ randomBytes: throws() }),
    request: encryptedRequest,
    kind: 'unavailable',
    code: 'ERR_OPTION',
    prints: `"randomBytes" threw Error. ${CAUSE}`,
  },
  {
    failure: 'a body parser ran first',
    options: () => ({}),
    request: () => ({ ...request(), body: PARSED_BODY, parsedBodyHint: 'Mount the handler first.' }),
    kind: 'unavailable',
    code: 'ERR_BODY_PARSED',
    prints:
      'The request body was parsed before its signature could be verified, and a parsed body cannot be turned back into the bytes that were signed. Mount the handler first.',
  },
  {
    failure: 'the HTTP layer passes an object that throws',
    options: () => ({}),
    request: () =>
      Object.defineProperty({ ...request() }, 'body', { get: throws(new EvalError(SECRET)) }) as IncomingRequest,
    kind: 'unavailable',
    code: 'ERR_INTERNAL',
    prints: `Handling the request failed with EvalError. ${CAUSE}`,
  },
]

/** Delivers one request to a new handler, and waits for the work that outlives the response. */
async function deliver({ options, request: make = request }: Failure, onEvent?: (event: OrderSyncEvent) => void) {
  const handler = createOrderSyncHandler<unknown>({
    credentials: merchantCredentials(),
    store: memoryStore(),
    onOrder: () => ({ orderId: 'A-1' }),
    now: () => NOW,
    ...options(),
    onEvent,
  })
  isWaiting = false
  const responding = handler(make())
  let isDone = false
  const done = () => {
    isDone = true
  }
  responding.then(done, done)
  await until(async () => {
    if (isWaiting) {
      isWaiting = false
      await vi.advanceTimersToNextTimerAsync()
    }
    return isDone
  })
  return { handler, response: await responding }
}

async function printedWithoutOnEvent(failure: Failure): Promise<string> {
  const emitWarning = recordWarnings()
  emitWarning.mockClear()
  await deliver(failure)
  const [warning, ...others] = emitWarning.mock.calls
  expect(others).toStrictEqual([])
  const [message, options] = warning as unknown as [string, object]
  expect(options).toStrictEqual({ type: 'OrderSyncWarning', code: failure.code })
  return message
}

async function eventOf(failure: Failure): Promise<OrderSyncEvent> {
  recordWarnings()
  const events: OrderSyncEvent[] = []
  await deliver(failure, (event) => events.push(event))
  // A signer that fails has an event of the outcome too.
  return events.at(-1) ?? expect.fail('there is no event')
}

describe("a failure on the merchant's side", () => {
  test.each(FAILURES)('is a process warning without onEvent: $failure', async (failure) => {
    const message = await printedWithoutOnEvent(failure)
    expect(message.startsWith(failure.prints)).toBe(true)
    expect(message).toMatch(/ \((requestId [0-9a-f]{32}, )?tracerId [0-9a-f]{32}\)$/)
    expect(message).not.toContain(SECRET)
  })

  test.each(FAILURES)('is an event with onEvent: $failure', async (failure) => {
    const event = await eventOf(failure)
    const { kind = 'failed', code, prints } = failure
    expect(event).toMatchObject({ kind, code, resultCode: 'UNKNOWN_EXCEPTION' })
    expect(event.message?.startsWith(prints)).toBe(true)
    for (const shown of [JSON.stringify(event), inspect(event), inspect(event.error, { showHidden: true })]) {
      expect(shown).not.toContain(SECRET)
      for (const value of ['merchantBizNo', 'tradeNo', 'userId']) expect(shown).not.toContain(String(order()[value]))
    }
    expect(JSON.stringify(event)).toContain(`"code":"${code}"`)
  })

  test('prints a different message for each failure', async () => {
    expect(FAILURES.length).toBeGreaterThanOrEqual(15)
    const printed: string[] = []
    for (const failure of FAILURES) {
      const warning = await printedWithoutOnEvent(failure)
      const { code, message } = await eventOf(failure)
      printed.push(warning.replace(/ \((requestId|tracerId) [^)]*\)$/, ''), `${code} ${message}`)
    }
    expect(printed.filter((text, index) => printed.indexOf(text) !== index)).toStrictEqual([])
  })

  test('is HTTP 500, unsigned, when the signer hangs', async () => {
    recordWarnings()
    const failure = FAILURES.find((row) => row.failure === 'the signer hangs') ?? expect.fail('there is no such row')
    const { response } = await deliver(failure)
    expect(response.status).toBe(500)
    expect(response.headers).not.toHaveProperty('Signature')
    const { response: signed } = await deliver({ failure: 'none', options: () => ({}), code: '', prints: '' })
    expect(signed).toMatchObject({ status: 200, headers: { Signature: expect.any(String) } })
  })

  test('is a warning, while a processed or rejected request is not', async () => {
    const emitWarning = recordWarnings()
    const { handler, response } = await deliver({ failure: 'none', options: () => ({}), code: '', prints: '' })
    expect(response.status).toBe(200)
    expect((await handler({ ...request(), body: '{}' })).status).toBe(401)
    expect(emitWarning).not.toHaveBeenCalled()
  })
})
