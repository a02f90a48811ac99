import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  createOrderSyncHandler,
  type HandlerOptions,
  memoryStore,
  type OpenObject,
  type OrderContext,
} from '../../src/public/index.ts'
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

describe('accepted', () => {
  test.each<[string, Record<string, unknown>]>([
    ['nothing but what is required', {}],
    [
      'every option undefined',
      Object.fromEntries(
        [
          'onEvent',
          'extInfoSchema',
          'signedPath',
          'clockToleranceSeconds',
          'maxBodyBytes',
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
    ['no waiting', { busyWaitMs: 0 }],
    ['a lease just longer than the deadline', { timeoutMs: 1_000, leaseMs: 1_001 }],
    ['the longest deadline that a timer can hold', { timeoutMs: 2 ** 31 - 1, leaseMs: 2 ** 31 }],
    ['a fraction of a second', { clockToleranceSeconds: 0.5 }],
    ['another suite', { encryption: { aesMode: 'CBC', keyWrap: 'RSA-OAEP-256' } }],
  ])('%s', (_, changes) => {
    expect(create(changes)).toBeTypeOf('function')
  })
})

describe('refused when the handler is created, and the option named', () => {
  test.each<[Record<string, unknown>, string]>([
    ...['clockToleranceSeconds', 'maxBodyBytes', 'maxConcurrent', 'timeoutMs', 'leaseMs'].flatMap((name) =>
      [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 'x', null].map((value): [Record<string, unknown>, string] => [
        { [name]: value },
        name,
      ]),
    ),
    [{ busyWaitMs: -1 }, 'busyWaitMs'],
    [{ busyWaitMs: Number.NaN }, 'busyWaitMs'],
    [{ timeoutMs: 1_000, leaseMs: 1_000 }, 'leaseMs'],
    [{ timeoutMs: 30_000 }, 'leaseMs'],
    // A timer cannot hold more, and fires at once instead.
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
  ])('%j', (changes, name) => {
    const error = thrownBy(() => create(changes))
    expect(['RangeError', 'TypeError']).toContain(error.name)
    expect(error.message).toContain(`"${name}"`)
  })

  test('a key that is wrong, without quoting it', () => {
    const text = pem(merchantRsa().privateKey).slice(0, -40)
    const error = thrownBy(() => create({ credentials: { ...merchantCredentials(), privateKeys: { 1: text } } }))
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'ERR_KEY_FORMAT' })
    expect(`${error.message}${error.stack}`).not.toContain(text.split('\n')[3])
  })
})

test('the options are not written to', () => {
  const options = Object.freeze({
    credentials: Object.freeze(merchantCredentials()),
    store: Object.freeze(memoryStore()),
  })
  expect(create(options)).toBeTypeOf('function')
})

test('the types say what onOrder gets and gives', () => {
  type OnOrder = HandlerOptions['onOrder']
  expectTypeOf<Parameters<OnOrder>[0]['extInfo']>().toEqualTypeOf<OpenObject>()
  expectTypeOf<OrderContext['fencingToken']>().toEqualTypeOf<number>()
  expectTypeOf<() => { orderId: number }>().not.toExtend<OnOrder>()
  expectTypeOf<() => Promise<{ orderId: string }>>().toExtend<OnOrder>()
})
