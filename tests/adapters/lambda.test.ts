import { describe, expect, test, vi } from 'vitest'
import { type LambdaEvent, lambdaOrderSync } from '../../src/adapters/lambda.ts'
import { merchant } from '../support/merchant.ts'
import { PATH, request } from '../support/messages.ts'

const eventWith = (body: unknown) =>
  ({
    requestContext: { http: { method: 'POST' } },
    rawPath: PATH,
    headers: request().headers,
    body,
    isBase64Encoded: false,
  }) as LambdaEvent

const text = Buffer.from(request().body).toString()

describe('lambdaOrderSync', () => {
  test('verifies a body that is passed as text', async () => {
    const { handler, onOrder } = merchant()
    expect(await lambdaOrderSync(handler)(eventWith(text))).toMatchObject({ statusCode: 200 })
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test.each([
    ['a parsed order', JSON.parse(text)],
    ['a list of bytes', [...request().body]],
    ['a Buffer after JSON.stringify', JSON.parse(JSON.stringify(Buffer.from(request().body)))],
    ['an object with a length', { length: 2 ** 31 }],
    ['a number', 5],
    ['true', true],
  ])('responds 500 and explains the fix when a middleware replaced the body by %s', async (_, body) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { handler, onOrder, events } = merchant()
    expect(await lambdaOrderSync(handler)(eventWith(body))).toMatchObject({ statusCode: 500 })
    expect(onOrder).not.toHaveBeenCalled()
    expect(events).toMatchObject([
      { code: 'ERR_BODY_PARSED', message: expect.stringContaining('httpJsonBodyParser()') },
    ])
    expect(warn).toHaveBeenCalledOnce()
  })
})
