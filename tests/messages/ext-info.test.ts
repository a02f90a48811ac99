import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { validateExtInfo } from '../../src/messages/validate.ts'
import { createOrderSyncClient, createOrderSyncHandler, memoryStore, type OpenObject } from '../../src/public/index.ts'
import type { StandardSchema } from '../../src/public/messages.ts'
import { summarize } from '../support/merchant.ts'
import { merchantCredentials, order, request } from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'

interface KitchenNote {
  note: string
  table: number
}

const zodSchema = z.object({ note: z.string(), table: z.number() })
const valibotSchema = v.object({ note: v.string(), table: v.number() })
const arktypeSchema = type({ note: 'string', table: 'number' })

const options = () => ({ credentials: merchantCredentials(), store: memoryStore(), now: () => 1716340341000 })
const resultFor = async (extInfo: unknown, handler: ReturnType<typeof createOrderSyncHandler>) =>
  summarize(await handler(request({ message: order({ extInfo }) }))).resultCode

describe('createOrderSyncHandler with extInfoSchema', () => {
  const noteLengths: number[] = []

  test.each([
    [
      'zod',
      () =>
        createOrderSyncHandler({
          ...options(),
          extInfoSchema: zodSchema,
          onOrder({ extInfo }) {
            expectTypeOf(extInfo).toEqualTypeOf<KitchenNote>()
            noteLengths.push(extInfo.note.length)
            return { orderId: 'A-1' }
          },
        }),
    ],
    [
      'valibot',
      () =>
        createOrderSyncHandler({
          ...options(),
          extInfoSchema: valibotSchema,
          onOrder({ extInfo }) {
            expectTypeOf(extInfo).toEqualTypeOf<KitchenNote>()
            noteLengths.push(extInfo.note.length)
            return { orderId: 'A-1' }
          },
        }),
    ],
    [
      'arktype',
      () =>
        createOrderSyncHandler({
          ...options(),
          extInfoSchema: arktypeSchema,
          onOrder({ extInfo }) {
            expectTypeOf(extInfo).toEqualTypeOf<KitchenNote>()
            noteLengths.push(extInfo.note.length)
            return { orderId: 'A-1' }
          },
        }),
    ],
  ])('validates extInfo with %s and narrows its type', async (_, create) => {
    noteLengths.length = 0
    expect(await resultFor({ note: 'hot', table: 5 }, create())).toBe('SUCCESS')
    expect(await resultFor({ note: 'hot', table: 'five' }, create())).toBe('PARAM_ILLEGAL')
    expect(await resultFor({ note: 'hot' }, create())).toBe('PARAM_ILLEGAL')
    expect(noteLengths).toStrictEqual([3])
  })

  test('passes extInfo to onOrder as an open object when there is no schema', async () => {
    const handler = createOrderSyncHandler({
      ...options(),
      onOrder({ extInfo }) {
        expectTypeOf(extInfo).toEqualTypeOf<OpenObject>()
        return { orderId: String(extInfo['note']) }
      },
    })
    expect(await resultFor({ note: 'hot' }, handler)).toBe('SUCCESS')
  })

  test('passes the output of the schema to onOrder', async () => {
    const outputs: Date[] = []
    const handler = createOrderSyncHandler({
      ...options(),
      extInfoSchema: z.object({ at: z.string().transform((text) => new Date(text)) }),
      onOrder({ extInfo }) {
        expectTypeOf(extInfo.at).toEqualTypeOf<Date>()
        outputs.push(extInfo.at)
        return { orderId: 'A-1' }
      },
    })
    expect(await resultFor({ at: '2024-05-22T01:12:21Z' }, handler)).toBe('SUCCESS')
    expect(outputs).toStrictEqual([new Date('2024-05-22T01:12:21Z')])
  })
})

describe('createOrderSyncClient with extInfoSchema', () => {
  const input = (extInfo: unknown) => order({ extInfo }) as never
  const base = () => ({ credentials: merchantCredentials(), environment: 'testing' as const, retries: 0 })
  const fetch = () => Promise.reject(new TypeError('fetch failed'))

  test.each([
    [
      'zod',
      () => {
        const client = createOrderSyncClient({ ...base(), fetch, extInfoSchema: zodSchema })
        expectTypeOf(client.syncOrder).parameter(0).toHaveProperty('extInfo').toEqualTypeOf<KitchenNote>()
        return client
      },
    ],
    [
      'valibot',
      () => {
        const client = createOrderSyncClient({ ...base(), fetch, extInfoSchema: valibotSchema })
        expectTypeOf(client.syncOrder).parameter(0).toHaveProperty('extInfo').toEqualTypeOf<KitchenNote>()
        return client
      },
    ],
    [
      'arktype',
      () => {
        const client = createOrderSyncClient({ ...base(), fetch, extInfoSchema: arktypeSchema })
        expectTypeOf(client.syncOrder).parameter(0).toHaveProperty('extInfo').toEqualTypeOf<KitchenNote>()
        return client
      },
    ],
  ])('validates extInfo with %s and narrows the type of the input', async (_, create) => {
    const rejected = await rejectionOf(create().syncOrder(input({ note: 'hot', table: 'five' })))
    expect(rejected).toMatchObject({ code: 'ERR_FIELD_INVALID', issues: [{ field: 'extInfo.table' }] })
    const sent = await rejectionOf(create().syncOrder(input({ note: 'hot', table: 5 })))
    expect(sent).toMatchObject({ code: 'ERR_NETWORK' })
  })

  test('sends extInfo as given, not the output of the schema', async () => {
    const bodies: unknown[] = []
    const client = createOrderSyncClient({
      ...base(),
      extInfoSchema: z.object({ at: z.string().transform((text) => new Date(text)) }),
      fetch(_, init) {
        bodies.push(JSON.parse(new TextDecoder().decode(init?.body as Uint8Array)))
        return fetch()
      },
    })
    expectTypeOf(client.syncOrder).parameter(0).toHaveProperty('extInfo').toEqualTypeOf<{ at: string }>()
    const extInfo = { at: '2024-05-22T01:12:21Z' }
    await rejectionOf(client.syncOrder(input(extInfo)))
    expect(bodies).toMatchObject([{ extInfo }])
  })
})

describe('validateExtInfo', () => {
  const errorOf = (schema: StandardSchema<unknown, unknown>, extInfo: OpenObject) =>
    rejectionOf(validateExtInfo(extInfo, schema))

  test.each<[string, StandardSchema<unknown, unknown>]>([
    ['zod', z.object({ items: z.array(z.object({ sku: z.literal('x') })) })],
    ['valibot', v.object({ items: v.array(v.object({ sku: v.literal('x') })) })],
    ['arktype', type({ items: [{ sku: '"x"' }, '[]'] })],
  ])('names the invalid member with %s, without its value', async (_, schema) => {
    const error = await errorOf(schema, { items: [{ sku: 'x' }, { sku: 'SECRET-1' }] })
    expect(error.message).toBe('The order is invalid: "extInfo.items.1.sku" must be valid against extInfoSchema.')
    expect(JSON.stringify({ ...error, cause: error.cause, stack: error.stack })).not.toContain('SECRET-1')
  })

  test('names extInfo when the schema gives no path', async () => {
    const schema = schemaWith(() => ({ issues: [{ message: 'SECRET-1' }] }))
    const error = await errorOf(schema, {})
    expect(error).toMatchObject({ issues: [{ field: 'extInfo', expected: 'valid against extInfoSchema' }] })
    expect(error.message).not.toContain('SECRET-1')
  })

  test('makes names of the sender printable and limits their length', async () => {
    const schema = z.record(z.string(), z.number())
    const forged = await errorOf(schema, { 'a\nERROR forged\u001b[31m': 'x' })
    expect(forged.message).toMatch(/^[\x20-\x7e]+$/)
    const long = await errorOf(schema, { [`${'k'.repeat(10_000)}`]: 'x' })
    expect(long.message.length).toBeLessThan(300)
  })

  test('accepts symbols, numbers and objects with a key in a path', async () => {
    const schema = schemaWith(() => ({ issues: [{ message: '', path: [{ key: 'a' }, 0, Symbol('s')] }] }))
    expect(await errorOf(schema, {})).toMatchObject({ issues: [{ field: 'extInfo.a.0.Symbol(s)' }] })
  })

  test('explains five of many issues in the message, and lists all in issues', async () => {
    const extInfo = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`k${n}`, 'x']))
    const error = await errorOf(z.record(z.string(), z.number()), extInfo)
    expect(error.message.match(/must be/g)).toHaveLength(5)
    expect(error).toHaveProperty('issues.length', 9)
  })

  test('awaits an asynchronous schema', async () => {
    const schema = schemaWith(async (value) => ({ value: { ...(value as object), checked: true } }))
    expect(await validateExtInfo({ a: 1 }, schema)).toStrictEqual({ a: 1, checked: true })
  })
})

function schemaWith(
  validate: StandardSchema<unknown, unknown>['~standard']['validate'],
): StandardSchema<unknown, unknown> {
  return { '~standard': { version: 1, vendor: 'test', validate } }
}
