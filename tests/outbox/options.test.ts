import { describe, expect, test } from 'vitest'
import { resolveOutboxOptions } from '../../src/outbox/options.ts'
import { createOutbox } from '../../src/outbox/outbox.ts'
import { fakeClient, fakeStore } from '../support/fake-outbox.ts'
import { thrownBy } from '../support/thrown.ts'

const required = () => ({ store: fakeStore(), client: fakeClient() })

test('the options of an outbox have these defaults', () => {
  const { store, client, random, randomBytes, randomUUID, ...values } = resolveOutboxOptions(required())
  expect(values).toEqual({
    policy: 'latest',
    encryptAtRest: undefined,
    maxRetryMs: 86_400_000,
    baseDelayMs: 1_000,
    maxDelayMs: 900_000,
    leaseMs: 120_000,
    storeTimeoutMs: 10_000,
    pollMs: 1_000,
    keepSentMs: 86_400_000,
    allowFractions: false,
    onEvent: undefined,
  })
  expect(new Set(Array.from({ length: 20 }, random)).size).toBe(20)
  expect(randomBytes(12)).toHaveLength(12)
  expect(randomUUID()).not.toBe(randomUUID())
})

const OUT_OF_RANGE = [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '1']

describe.each([
  ...['maxRetryMs', 'baseDelayMs', 'maxDelayMs'].map((name) => [name, OUT_OF_RANGE] as const),
  ...['leaseMs', 'storeTimeoutMs', 'pollMs'].map((name) => [name, [...OUT_OF_RANGE, 2 ** 31]] as const),
  ['keepSentMs', [-1, Number.NaN, '1']],
  ['policy', ['newest', '', null]],
  ['encryptAtRest', [Buffer.alloc(31), 'text', []]],
  ['allowFractions', [1, 'true', null]],
  ...['onEvent', 'random', 'randomBytes', 'randomUUID'].map((name) => [name, [{}, 'text', null]] as const),
] as const)('the option "%s"', (name, wrong) => {
  test.each(wrong as readonly unknown[])('cannot be %s', (value) => {
    const { message } = thrownBy(() => createOutbox({ ...required(), [name]: value }))
    expect(message).toContain(`"${name}" must`)
  })

  test('can be undefined', () => {
    expect(() => createOutbox({ ...required(), [name]: undefined })).not.toThrow()
  })
})

test('an unknown option is an error that names the function and the option', () => {
  const { message } = thrownBy(() => createOutbox({ ...required(), polMs: 1 } as never))
  expect(message).toBe('createOutbox() has no option "polMs"')
})

describe('the option "store"', () => {
  test.each(['enqueue', 'claim', 'finish'])('must have the method %s', (method) => {
    const store = { ...fakeStore(), [method]: undefined } as never
    expect(thrownBy(() => createOutbox({ ...required(), store }))).toBeInstanceOf(TypeError)
  })

  test('cannot be the store of a handler', () => {
    const store = { claim: () => {}, finish: () => {}, release: () => {}, read: () => {} } as never
    expect(thrownBy(() => createOutbox({ ...required(), store })).message).toBe(
      '"store" is the store of a handler. An outbox needs an outbox store: postgresOutboxStore({ pool })',
    )
  })

  test.each([{}, null, 'postgres'])('cannot be %s', (value) => {
    expect(thrownBy(() => createOutbox({ ...required(), store: value as never })).message).toBe(
      '"store" must be made by postgresOutboxStore(), mysqlOutboxStore() or sqliteOutboxStore()',
    )
  })

  test('is required', () => {
    const { client } = required()
    expect(thrownBy(() => createOutbox({ client } as never)).message).toBe('"store" is missing')
  })
})

describe('the option "client"', () => {
  test.each<[string, unknown]>([
    ['a client', fakeClient()],
    ['a function', () => fakeClient()],
  ])('can be %s', (_, client) => {
    expect(() => createOutbox({ ...required(), client: client as never })).not.toThrow()
  })

  test.each([{}, null, 'client', { syncOrder: true }])('cannot be %s', (value) => {
    expect(thrownBy(() => createOutbox({ ...required(), client: value as never })).message).toBe(
      '"client" must be made by createOrderSyncClient(), or a function that returns one for an order',
    )
  })

  test('is required', () => {
    const { store } = required()
    expect(thrownBy(() => createOutbox({ store } as never)).message).toBe('"client" is missing')
  })
})

describe('the option "random"', () => {
  const resolved = (random: () => number) => resolveOutboxOptions({ ...required(), random }).random

  test.each([0, 0.5, 1])('is used if it returns %s', (value) => {
    expect(resolved(() => value)()).toBe(value)
  })

  test.each<[string, () => number]>([
    ['less than 0', () => -0.001],
    ['more than 1', () => 1.001],
    ['no number', () => Number.NaN],
    [
      'nothing, because it throws',
      () => {
        throw new Error('of random')
      },
    ],
  ])('is Math.random if it returns %s', (_, random) => {
    const values = Array.from({ length: 20 }, resolved(random))
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true)
    expect(new Set(values).size).toBe(20)
  })
})
