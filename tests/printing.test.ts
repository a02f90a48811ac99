import { formatWithOptions, inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import {
  ConfigurationError,
  DeliveryError,
  HandlerError,
  OrderRefusedError,
  type OrderSyncEvent,
  ProtocolError,
  UntrustedResponseError,
} from '../src/public/index.ts'
import { merchant } from './support/merchant.ts'
import { order, refusal, request } from './support/messages.ts'

const [BIZ_NO, TRADE_NO] = ['MARKER-of-the-biz-no', 'MARKER-of-the-trade-no']
const SECRET = 'MARKER-of-customer-data'

/** The ways in which a log can print a value. */
const prints: Record<string, (value: unknown) => string> = {
  'console.log(value)': (value) => formatWithOptions({}, value),
  "console.log('%o', value)": (value) => formatWithOptions({}, '%o', value),
  "console.log('%O', value)": (value) => formatWithOptions({}, '%O', value),
  "console.log('%s', value)": (value) => formatWithOptions({}, '%s', value),
  'console.log([{ value }])': (value) => formatWithOptions({}, [{ value }]),
  'inspect(value, { showHidden: true })': (value) => inspect(value, { showHidden: true, depth: 9 }),
  'inspect(value, { showHidden: true, colors: true })': (value) => inspect(value, { showHidden: true, colors: true }),
  'JSON.stringify(value)': (value) => JSON.stringify(value),
}

const response = { ...refusal('PROCESS_FAIL'), orderId: SECRET }
const errors: [string, Error & { code: string }][] = [
  ['ProtocolError', new ProtocolError('ERR_TRAFFIC', 'the message')],
  ['ConfigurationError', new ConfigurationError('ERR_PATH', 'the message')],
  ['HandlerError', new HandlerError('ERR_STORE', 'the message')],
  ['OrderRefusedError', new OrderRefusedError('PROCESS_FAIL', 'no', { response })],
  ['DeliveryError', new DeliveryError('ERR_NETWORK', 'the message', { excerpt: SECRET, response })],
  ['UntrustedResponseError', new UntrustedResponseError('ERR_REPLY_UNSIGNED', 'the message', { excerpt: SECRET })],
]

describe.each(Object.entries(prints))('%s', (_, print) => {
  test.each(errors)('prints no hidden member of a %s', (_, error) => {
    expect(print(error)).not.toContain(SECRET)
    expect(print(new Error('outer', { cause: error }))).not.toContain(SECRET)
  })

  test('prints no order and no error of an event', async () => {
    const onOrder = () => {
      throw new Error(SECRET)
    }
    const { handler, events } = merchant({ onOrder })
    await handler(request({ message: order({ merchantBizNo: BIZ_NO, tradeNo: TRADE_NO, extInfo: { note: SECRET } }) }))
    const [event] = events as [OrderSyncEvent]
    expect(JSON.stringify(event.order)).toContain(SECRET)
    expect(String(event.error?.cause)).toContain(SECRET)
    expect([event.merchantBizNo, event.tradeNo]).toStrictEqual([BIZ_NO, TRADE_NO])
    for (const hidden of [BIZ_NO, TRADE_NO]) expect(print(event)).not.toContain(hidden)
    expect(print(event)).not.toContain(SECRET)
    expect(print(event)).toMatch(/ERR_ON_ORDER|object Object/)
  })
})

describe('inspect', () => {
  test.each(errors)('shows the class, the code, the message and the stack of a %s', (name, error) => {
    const printed = inspect(error)
    expect(printed).toMatch(new RegExp(`^${name}: ${error.message}\n +at .*printing\\.test\\.ts`))
    expect(printed).toContain(`code: '${error.code}'`)
  })

  test('hides the cause of a HandlerError, also inside another error', () => {
    const cause = new Error(SECRET)
    const error = new HandlerError('ERR_ON_ORDER', 'the message', { cause })
    expect(error.cause).toBe(cause)
    for (const print of Object.values(prints)) {
      expect(print(error)).not.toContain(SECRET)
      expect(print(new Error('outer', { cause: error }))).not.toContain(SECRET)
    }
  })

  test('shows the cause of an error', () => {
    const error = new ProtocolError('ERR_TRAFFIC', 'outer', { cause: new TypeError('inner') })
    expect(inspect(error)).toMatch(/\[cause\]: TypeError: inner/)
    expect(inspect({ error }, { depth: 0 })).toContain('ProtocolError')
  })

  test('shows the class and the members of a subclass', () => {
    class SoldOutError extends OrderRefusedError {
      readonly product = 'tea'
    }
    expect(inspect(new SoldOutError('PROCESS_FAIL'))).toContain("product: 'tea'")
  })
})
