import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  createOrderSyncHandler,
  type HandlerOptions,
  memoryStore,
  type OpenObject,
  type OrderContext,
} from '../../src/public/index.ts'
import { resolveHandlerOptions } from '../../src/server/options.ts'
import { merchantRsa, pem } from '../support/keys.ts'
import { merchantCredentials } from '../support/messages.ts'
import { thrownBy } from '../support/thrown.ts'

const create = (changes: Record<string, unknown> = {}) =>
  createOrderSyncHandler({
    credentials: merchantCredentials(),
    store: memoryStore(),
    onOrder: () => ({ orderId: 'A-1' }),
    ...changes,
  } as HandlerOptions)

describe('createOrderSyncHandler accepts', () => {
  test.each<[string, Record<string, unknown>]>([
    ['the required options alone', {}],
    [
      'every optional option as undefined',
      Object.fromEntries(
        [
          'onEvent',
          'extInfoSchema',
          'signedPath',
          'clockToleranceSeconds',
          'maxBodyBytes',
          'maxConcurrent',
          'timeoutMs',
          'leaseMs',
          'busyWaitMs',
          'compareModifyTimeWith',
          'encryption',
          'alwaysStatus200',
          'allowFractions',
          'now',
          'randomBytes',
        ].map((name) => [name, undefined]),
      ),
    ],
    ['a busyWaitMs of 0', { busyWaitMs: 0 }],
    ['a leaseMs just above timeoutMs', { timeoutMs: 1_000, leaseMs: 1_001 }],
    ['the longest timeoutMs that a timer supports', { timeoutMs: 2 ** 31 - 2, leaseMs: 2 ** 31 - 1 }],
    ['a maxReadingBytes of one body', { maxReadingBytes: 1_048_576 }],
    ['a fraction of a second as clockToleranceSeconds', { clockToleranceSeconds: 0.5 }],
    ['other encryption options', { encryption: { aesMode: 'CBC', keyWrap: 'RSA-OAEP-256' } }],
  ])('%s', (_, changes) => {
    expect(create(changes)).toBeTypeOf('function')
  })
})

describe('createOrderSyncHandler throws and names the option:', () => {
  test.each<[Record<string, unknown>, string]>([
    ...['clockToleranceSeconds', 'maxBodyBytes', 'maxConcurrent', 'timeoutMs', 'leaseMs']
      .concat('maxReading', 'maxReadingBytes', 'storeTimeoutMs', 'bodyTimeoutMs', 'maxFutureMs')
      .flatMap((name) =>
        [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 'x', null].map((value): [Record<string, unknown>, string] => [
          { [name]: value },
          name,
        ]),
      ),
    ...['onEvent', 'now', 'randomBytes', 'alwaysStatus200', 'allowFractions', 'extInfoSchema', 'signedPath'].map(
      (name): [Record<string, unknown>, string] => [{ [name]: 5 }, name],
    ),
    [{ storeTimeoutMs: 2 ** 31 }, 'storeTimeoutMs'],
    [{ bodyTimeoutMs: 2 ** 31 }, 'bodyTimeoutMs'],
    [{ busyWaitMs: -1 }, 'busyWaitMs'],
    [{ busyWaitMs: Number.NaN }, 'busyWaitMs'],
    [{ timeoutMs: 1_000, leaseMs: 1_000 }, 'leaseMs'],
    [{ timeoutMs: 30_000 }, 'leaseMs'],
    // A longer timer fires at once.
    [{ timeoutMs: 2 ** 31, leaseMs: 2 ** 32 }, 'timeoutMs'],
    [{ timeoutMs: Number.POSITIVE_INFINITY, leaseMs: Number.POSITIVE_INFINITY }, 'timeoutMs'],
    [{ compareModifyTimeWith: 'orderCreateTime' }, 'compareModifyTimeWith'],
    [{ compareModifyTimeWith: '' }, 'compareModifyTimeWith'],
    [{ encryption: { aesMode: 'GCM' } }, 'encryption.aesMode'],
    [{ encryption: { aesBits: 64 } }, 'encryption.aesBits'],
    [{ timeoutMS: 1_000 }, 'timeoutMS'],
    [{ comparison: 'processedAt' }, 'comparison'],
    [{ onOrder: undefined }, 'onOrder'],
    [{ onOrder: 'x' }, 'onOrder'],
    [{ store: undefined }, 'store'],
    [{ store: {} }, 'store'],
    ...['claim', 'finish', 'release', 'read'].map((method): [Record<string, unknown>, string] => [
      { store: { ...memoryStore(), [method]: undefined } },
      'store',
    ]),
    [{ leaseMs: 2 ** 31 }, 'leaseMs'],
    [{ maxReadingBytes: 1_000 }, 'maxReadingBytes'],
  ])('%j', (changes, name) => {
    const error = thrownBy(() => create(changes))
    expect(['RangeError', 'TypeError']).toContain(error.name)
    expect(error.message).toContain(`"${name}"`)
  })

  test.each<[Record<string, unknown>, string]>([
    [{ timeoutMs: 1_000, leaseMs: 1_000 }, '"leaseMs" must be greater than "timeoutMs"'],
    [{ maxReadingBytes: 1_048_575 }, '"maxReadingBytes" must not be less than "maxBodyBytes"'],
    [{ store: {} }, '"store" must be a store, such as memoryStore()'],
    [{ store: undefined }, '"store" is missing'],
    [{ onOrder: undefined }, '"onOrder" is missing'],
    [{ credentials: undefined }, '"credentials" is missing'],
    [{ timeoutMS: 1_000 }, 'createOrderSyncHandler() has no option "timeoutMS"'],
  ])('%j: and says what is wrong', (changes, message) => {
    expect(thrownBy(() => create(changes)).message).toBe(message)
  })

  test('a wrong key, without quoting it', () => {
    const text = pem(merchantRsa().privateKey).slice(0, -40)
    const error = thrownBy(() => create({ credentials: { ...merchantCredentials(), privateKeys: { 1: text } } }))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'ERR_KEY_FORMAT' })
    expect(`${error.message}${error.stack}`).not.toContain(text.split('\n')[3])
  })
})

describe('the options of a handler', () => {
  const required = () => ({
    credentials: merchantCredentials(),
    store: memoryStore(),
    onOrder: () => ({ orderId: 'A-1' }),
  })

  test('have these defaults', () => {
    const { credentials, store, onOrder, now, randomBytes, json, encryption, ...values } = resolveHandlerOptions(
      required(),
    )
    expect(values).toStrictEqual({
      extInfoSchema: undefined,
      signedPath: undefined,
      clockToleranceSeconds: 300,
      maxBodyBytes: 1_048_576,
      bodyTimeoutMs: 5_000,
      timeoutMs: 10_000,
      maxFutureMs: 86_400_000,
      alwaysStatus200: false,
      allowFractions: false,
      onEvent: undefined,
      maxConcurrent: 1_000,
      maxReading: 1_000,
      maxReadingBytes: 67_108_864,
      leaseMs: 30_000,
      storeTimeoutMs: 5_000,
      busyWaitMs: 2_000,
      compareModifyTimeWith: 'orderModifyTime',
    })
    expect(json).toMatchObject({ allowFractions: false })
    expect(encryption.options).toMatchObject({ aesMode: 'ECB', aesBits: 256 })
    expect(Math.abs(now() - Date.now())).toBeLessThan(1_000)
    expect(randomBytes(12)).toHaveLength(12)
  })

  test('have a lease of whole milliseconds, because databases keep no others', () => {
    expect(resolveHandlerOptions({ ...required(), leaseMs: 15_000.2 }).leaseMs).toBe(15_001)
  })

  test('can have keys that are looked up later', () => {
    expect(create({ credentials: () => undefined })).toBeTypeOf('function')
  })
})

test('createOrderSyncHandler does not change the options', () => {
  const options = Object.freeze({
    credentials: Object.freeze(merchantCredentials()),
    store: Object.freeze(memoryStore()),
  })
  expect(create(options)).toBeTypeOf('function')
})

test('the type of onOrder has the parameters and the result of an order', () => {
  type OnOrder = HandlerOptions['onOrder']
  expectTypeOf<Parameters<OnOrder>[0]['extInfo']>().toEqualTypeOf<OpenObject>()
  expectTypeOf<OrderContext['fencingToken']>().toEqualTypeOf<number>()
  expectTypeOf<() => { orderId: number }>().not.toExtend<OnOrder>()
  expectTypeOf<() => Promise<{ orderId: string }>>().toExtend<OnOrder>()
})
