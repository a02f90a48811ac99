import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  createOrderSyncClient,
  createOrderSyncHandler,
  memoryStore,
  type OpenObject,
  type StandardSchema,
} from '../../src/public/index.ts'
import { validateExtInfo } from '../../src/messages/validate.ts'
import { merchantCredentials, order, request } from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'

interface Kitchen {
  note: string
  table: number
}

const inZod = z.object({ note: z.string(), table: z.number() })
const inValibot = v.object({ note: v.string(), table: v.number() })
const inArktype = type({ note: 'string', table: 'number' })

const options = () => ({ credentials: merchantCredentials(), store: memoryStore(), now: () => 1716340341000 })
const handled = async (extInfo: unknown, handler: ReturnType<typeof createOrderSyncHandler>) =>
  (await handler(request({ message: order({ extInfo }) }))).status

describe('the handler narrows order.extInfo, in its type and in fact', () => {
  const seen: unknown[] = []
  test.each([
    [
      'zod',
      () =>
        createOrderSyncHandler({
          ...options(),
          extInfoSchema: inZod,
          onOrder({ extInfo }) {
            expectTypeOf(extInfo).toEqualTypeOf<Kitchen>()
            seen.push(extInfo.note.length)
            return { orderId: 'A-1' }
          },
        }),
    ],
    [
      'valibot',
      () =>
        createOrderSyncHandler({
          ...options(),
          extInfoSchema: inValibot,
          onOrder({ extInfo }) {
            expectTypeOf(extInfo).toEqualTypeOf<Kitchen>()
            seen.push(extInfo.note.length)
            return { orderId: 'A-1' }
          },
        }),
    ],
    [
      'arktype',
      () =>
        createOrderSyncHandler({
          ...options(),
          extInfoSchema: inArktype,
          onOrder({ extInfo }) {
            expectTypeOf(extInfo).toEqualTypeOf<Kitchen>()
            seen.push(extInfo.note.length)
            return { orderId: 'A-1' }
          },
        }),
    ],
  ])('%s', async (_, create) => {
    seen.length = 0
    expect(await handled({ note: 'hot', table: 5 }, create())).toBe(200)
    expect(await handled({ note: 'hot', table: 'five' }, create())).toBe(400)
    expect(await handled({ note: 'hot' }, create())).toBe(400)
    expect(seen).toStrictEqual([3])
  })

  test('without a schema it is an open object', async () => {
    const handler = createOrderSyncHandler({
      ...options(),
      onOrder({ extInfo }) {
        expectTypeOf(extInfo).toEqualTypeOf<OpenObject>()
        return { orderId: String(extInfo['note']) }
      },
    })
    expect(await handled({ note: 'hot' }, handler)).toBe(200)
  })

  test('onOrder gets what the schema makes of it', async () => {
    const made: Date[] = []
    const handler = createOrderSyncHandler({
      ...options(),
      extInfoSchema: z.object({ at: z.string().transform((text) => new Date(text)) }),
      onOrder({ extInfo }) {
        expectTypeOf(extInfo.at).toEqualTypeOf<Date>()
        made.push(extInfo.at)
        return { orderId: 'A-1' }
      },
    })
    expect(await handled({ at: '2024-05-22T01:12:21Z' }, handler)).toBe(200)
    expect(made).toStrictEqual([new Date('2024-05-22T01:12:21Z')])
  })
})

describe('the client asks for what the schema takes', () => {
  const input = (extInfo: unknown) => order({ extInfo }) as never
  const base = () => ({ credentials: merchantCredentials(), environment: 'testing' as const, retries: 0 })
  const fetch = () => Promise.reject(new TypeError('nothing may be sent'))

  test.each([
    [
      'zod',
      () => {
        const client = createOrderSyncClient({ ...base(), fetch, extInfoSchema: inZod })
        expectTypeOf(client.syncOrder).parameter(0).toHaveProperty('extInfo').toEqualTypeOf<Kitchen>()
        return client
      },
    ],
    [
      'valibot',
      () => {
        const client = createOrderSyncClient({ ...base(), fetch, extInfoSchema: inValibot })
        expectTypeOf(client.syncOrder).parameter(0).toHaveProperty('extInfo').toEqualTypeOf<Kitchen>()
        return client
      },
    ],
    [
      'arktype',
      () => {
        const client = createOrderSyncClient({ ...base(), fetch, extInfoSchema: inArktype })
        expectTypeOf(client.syncOrder).parameter(0).toHaveProperty('extInfo').toEqualTypeOf<Kitchen>()
        return client
      },
    ],
  ])('%s', async (_, create) => {
    const refused = await rejectionOf(create().syncOrder(input({ note: 'hot', table: 'five' })))
    expect(refused).toMatchObject({ code: 'ERR_FIELD_INVALID', issues: [{ field: 'extInfo.table' }] })
    const sent = await rejectionOf(create().syncOrder(input({ note: 'hot', table: 5 })))
    expect(sent).toMatchObject({ code: 'ERR_NETWORK' })
  })

  test('and sends it as it was given: a transformation is for the receiver', () => {
    const client = createOrderSyncClient({
      ...base(),
      extInfoSchema: z.object({ at: z.string().transform((text) => new Date(text)) }),
    })
    expectTypeOf(client.syncOrder).parameter(0).toHaveProperty('extInfo').toEqualTypeOf<{ at: string }>()
  })
})

describe('what a schema refuses is named, and nothing is quoted', () => {
  const refusalBy = (schema: StandardSchema<unknown, unknown>, extInfo: OpenObject) =>
    rejectionOf(validateExtInfo(extInfo, schema))

  test.each<[string, StandardSchema<unknown, unknown>]>([
    ['zod', z.object({ items: z.array(z.object({ sku: z.literal('x') })) })],
    ['valibot', v.object({ items: v.array(v.object({ sku: v.literal('x') })) })],
    ['arktype', type({ items: [{ sku: '"x"' }, '[]'] })],
  ])('%s', async (_, schema) => {
    const error = await refusalBy(schema, { items: [{ sku: 'x' }, { sku: 'SECRET-1' }] })
    expect(error.message).toBe('The order is invalid: "extInfo.items.1.sku" must be as the extInfo schema says.')
    expect(JSON.stringify({ ...error, cause: error.cause, stack: error.stack })).not.toContain('SECRET-1')
  })

  test('a schema that says nothing of where names extInfo', async () => {
    const schema = schemaThat(() => ({ issues: [{ message: 'SECRET-1' }] }))
    const error = await refusalBy(schema, {})
    expect(error).toMatchObject({ issues: [{ field: 'extInfo', expected: 'as the extInfo schema says' }] })
    expect(error.message).not.toContain('SECRET-1')
  })

  test('a name that the sender chose cannot forge a line of a log, nor fill it', async () => {
    const schema = z.record(z.string(), z.number())
    const forged = await refusalBy(schema, { 'a\nERROR forged\u001b[31m': 'x' })
    expect(forged.message).toMatch(/^[\x20-\x7e]+$/)
    const long = await refusalBy(schema, { [`${'k'.repeat(10_000)}`]: 'x' })
    expect(long.message.length).toBeLessThan(300)
  })

  test('steps of a path may be symbols, numbers or objects with a key', async () => {
    const schema = schemaThat(() => ({ issues: [{ message: '', path: [{ key: 'a' }, 0, Symbol('s')] }] }))
    expect(await refusalBy(schema, {})).toMatchObject({ issues: [{ field: 'extInfo.a.0.Symbol(s)' }] })
  })

  test('of many faults five are put into words, and all into issues', async () => {
    const extInfo = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`k${n}`, 'x']))
    const error = await refusalBy(z.record(z.string(), z.number()), extInfo)
    expect(error.message.match(/must be/g)).toHaveLength(5)
    expect(error).toHaveProperty('issues.length', 9)
  })

  test('a schema may take its time', async () => {
    const schema = schemaThat(async (value) => ({ value: { ...(value as object), seen: true } }))
    expect(await validateExtInfo({ a: 1 }, schema)).toStrictEqual({ a: 1, seen: true })
  })
})

function schemaThat(
  validate: StandardSchema<unknown, unknown>['~standard']['validate'],
): StandardSchema<unknown, unknown> {
  return { '~standard': { version: 1, vendor: 'test', validate } }
}
