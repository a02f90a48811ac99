import { expect, test, vi } from 'vitest'
import { type LambdaEvent, lambdaOrderSync } from '../../src/adapters/lambda.ts'
import { PATH, request } from '../support/messages.ts'
import { merchant } from '../support/merchant.ts'

const eventWith = (body: unknown) =>
  ({
    requestContext: { http: { method: 'POST' } },
    rawPath: PATH,
    headers: request().headers,
    body,
    isBase64Encoded: false,
  }) as LambdaEvent

const text = Buffer.from(request().body).toString()

test('the text of a body is taken as it is', async () => {
  const { handler, onOrder } = merchant()
  expect(await lambdaOrderSync(handler)(eventWith(text))).toMatchObject({ statusCode: 200 })
  expect(onOrder).toHaveBeenCalledOnce()
})

test.each([
  ['an order', JSON.parse(text)],
  ['its bytes in a list', [...request().body]],
  ['a Buffer as JSON has it', JSON.parse(JSON.stringify(Buffer.from(request().body)))],
  ['an object with a length', { length: 2 ** 31 }],
  ['a number', 5],
  ['true', true],
])('what a middleware has made of it is not turned back into bytes: %s', async (_, body) => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const { handler, onOrder, events } = merchant()
  expect(await lambdaOrderSync(handler)(eventWith(body))).toMatchObject({ statusCode: 500 })
  expect(onOrder).not.toHaveBeenCalled()
  expect(events).toMatchObject([{ code: 'ERR_BODY_PARSED', message: expect.stringContaining('httpJsonBodyParser()') }])
  expect(warn).toHaveBeenCalledOnce()
})
