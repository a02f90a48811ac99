import { Readable } from 'node:stream'
import { runInNewContext } from 'node:vm'
import { describe, expect, test, vi } from 'vitest'
import { type LambdaEvent, lambdaOrderSync } from '../../src/adapters/lambda.ts'
import { merchant } from '../support/merchant.ts'
import { CLIENT_ID, encryptedRequest, order, PATH, request } from '../support/messages.ts'
import { read } from '../support/project.ts'

const eventWith = (body: unknown) =>
  ({
    requestContext: { http: { method: 'POST' } },
    rawPath: PATH,
    headers: request().headers,
    body,
    isBase64Encoded: false,
  }) as LambdaEvent

const text = Buffer.from(request().body).toString()

test('the lines for Function Compute 2 in docs/runtimes.md process an order', async () => {
  const [, code = ''] = /```js\n(exports\.handler = .*?)```/s.exec(read('docs/runtimes.md')) ?? []
  const { handler, onOrder } = merchant()
  const module: { handler?: (req: object, resp: object) => Promise<void> } = {}
  runInNewContext(code, { exports: module, handler, Buffer })
  const { method, path, headers, body } = request()
  const sent: unknown[] = []
  const record = (...values: unknown[]) => void sent.push(values.length === 1 ? values[0] : values)
  const req = Object.assign(Readable.from([Buffer.from(body)]), { method, path, headers, queries: {}, clientIP: 'x' })
  await module.handler?.(req, { setStatusCode: record, setHeader: record, send: record })
  expect(sent[0]).toBe(200)
  expect(sent).toContainEqual(['Client-Id', CLIENT_ID])
  expect(JSON.parse(String(sent.at(-1)))).toMatchObject({ result: { resultCode: 'SUCCESS' } })
  expect(onOrder).toHaveBeenCalledOnce()
})

describe('lambdaOrderSync', () => {
  test('verifies a body that is passed as text', async () => {
    const { handler, onOrder } = merchant()
    expect(await lambdaOrderSync(handler)(eventWith(text))).toMatchObject({ statusCode: 200 })
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test.each([
    ['a Buffer of JSON', (event: object) => Buffer.from(JSON.stringify(event))],
    ['JSON text', (event: object) => JSON.stringify(event)],
  ])('verifies an event that is passed as %s', async (_, serialize) => {
    const { handler } = merchant()
    expect(await lambdaOrderSync(handler)(serialize(eventWith(text)))).toMatchObject({ statusCode: 200 })
  })

  test.each([
    ['plain', request()],
    ['encrypted', encryptedRequest()],
  ])('verifies a body that is base64 although isBase64Encoded was lost: %s', async (_, { headers, body }) => {
    const { handler, onOrder, events } = merchant()
    const { isBase64Encoded, ...event } = eventWith(Buffer.from(body).toString('base64'))
    expect(await lambdaOrderSync(handler)({ ...event, headers })).toMatchObject({ statusCode: 200 })
    expect(onOrder).toHaveBeenCalledOnce()
    expect(events).toHaveLength(1)
  })

  test('passes an encrypted body, which is base64 itself, unchanged', async () => {
    const { handler, onOrder } = merchant()
    const { headers, body } = encryptedRequest()
    const event = { ...eventWith(Buffer.from(body).toString()), headers }
    expect(await lambdaOrderSync(handler)(event)).toMatchObject({ statusCode: 200 })
    expect(onOrder).toHaveBeenCalledOnce()
  })

  test.each<[string, unknown, string]>([
    ['undefined', undefined, 'an event that is not JSON'],
    ['null', null, 'invoked with null'],
    ['a number', 5, 'invoked with a number'],
    ['text that is not JSON', 'hello', 'an event that is not JSON'],
    ['an empty event', {}, 'an event that is not an HTTP request'],
    ['messages of a queue', { Records: [{ body: text }] }, 'records of another service'],
    ['a timer', { triggerTime: '2024-05-22T01:12:21Z', triggerName: 'x', payload: '' }, 'not an HTTP request'],
    ['the order, as API Gateway without proxy integration passes it', order(), 'the order alone'],
    ['a request object', { method: 'POST', url: PATH, headers: {} }, 'as in Function Compute 2'],
  ])('responds 500 and names the integrations to use when it is invoked with %s', async (_, event, message) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { handler, onOrder, events } = merchant()
    const result = await lambdaOrderSync(handler)(event as LambdaEvent)
    expect(result).toMatchObject({ statusCode: 500, body: expect.stringContaining('UNKNOWN_EXCEPTION') })
    expect(events).toMatchObject([{ kind: 'unavailable', code: 'ERR_REQUEST' }])
    for (const part of [message, 'Lambda proxy integration', 'an HTTP trigger of Function Compute 3']) {
      expect(events).toMatchObject([{ message: expect.stringContaining(part) }])
      expect(warn.mock.calls[0]?.[0]).toContain(part)
    }
    expect(onOrder).not.toHaveBeenCalled()
  })

  test.each([
    ['a parsed order', JSON.parse(text)],
    ['a list of bytes', [...request().body]],
    ['a Buffer after JSON.stringify', JSON.parse(JSON.stringify(Buffer.from(request().body)))],
    ['an object with a length', { length: 2 ** 31 }],
    ['a number', 5],
    ['true', true],
  ])('responds 500 and explains the fix when a middleware replaced the body with %s', async (_, body) => {
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
