import createFastify, { errorCodes, type FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import { fastifyOrderSync } from '../../src/adapters/fastify.ts'
import { request, withHeaders } from '../support/messages.ts'
import { merchant } from '../support/merchant.ts'

const HOOKS = ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'onSend'] as const

/** An application with a hook that throws, and an error handler that is told of it. */
function createApp(hook: (typeof HOOKS)[number], error: Error) {
  const { handler, onOrder } = merchant()
  const told: unknown[] = []
  const app = createFastify()
  app.setErrorHandler((error, _request, reply) => {
    told.push(error)
    return reply.code(418).send({ from: 'the application' })
  })
  let thrown = false
  const throwing = (scope: FastifyInstance) =>
    scope.addHook(hook as 'onRequest', async () => {
      // The answer of an error handler goes through onSend as well.
      if (hook === 'onSend' && thrown) return
      thrown = true
      throw error
    })
  return { app, handler, onOrder, told, throwing }
}

const send = (app: FastifyInstance, { method, path, headers, body }: ReturnType<typeof request>) =>
  app.inject({ method: method as 'POST', url: path, headers, payload: Buffer.from(body) })

/** What an application may throw; it can take errors of Fastify's for its own. */
const ERRORS = {
  'an error': () => new Error('out of paper'),
  'an error with a status': () => Object.assign(new Error('who are you?'), { statusCode: 401, code: 'WHO' }),
  'an error of Fastify': () => errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE('text/x'),
}

describe.each(HOOKS)('what the application throws in %s', (hook) => {
  test.each(Object.entries(ERRORS))('%s: reaches its own error handler', async (_, make) => {
    const error = make()
    const { app, handler, onOrder, told, throwing } = createApp(hook, error)
    throwing(app)
    app.register(fastifyOrderSync, { handler })
    const reply = await send(app, request())
    expect(reply.statusCode).toBe(418)
    expect(reply.json()).toEqual({ from: 'the application' })
    expect(told).toEqual([error])
    // Only what is sent can still go wrong then.
    expect(onOrder).toHaveBeenCalledTimes(hook === 'onSend' ? 1 : 0)
  })

  test('in a plugin around the route: reaches the error handler of that plugin', async () => {
    const error = new Error('out of paper')
    const { app, handler, told, throwing } = createApp(hook, error)
    app.register(async (scope) => {
      throwing(scope)
      scope.setErrorHandler((caught, _request, reply) => reply.code(503).send({ caught: caught === error }))
      scope.register(fastifyOrderSync, { handler })
    })
    const reply = await send(app, request())
    expect(reply.statusCode).toBe(503)
    expect(reply.json()).toEqual({ caught: true })
    expect(told).toEqual([])
  })

  test('also where the Content-Type is one that Fastify cannot read', async () => {
    const error = new Error('out of paper')
    const { app, handler, told, throwing } = createApp(hook, error)
    throwing(app)
    app.register(fastifyOrderSync, { handler })
    const reply = await send(app, withHeaders(request(), { 'Content-Type': 'nonsense' }))
    expect(reply.statusCode).toBe(418)
    expect(told).toEqual([error])
  })
})

test.each([
  ['that Fastify can read', 'application/json; charset=UTF-8'],
  ['that it cannot', 'nonsense'],
])('hooks see the request as it came, with a Content-Type %s', async (_, type) => {
  const seen: unknown[] = []
  const { handler } = merchant()
  const app = createFastify()
  app.addHook('onRequest', async (incoming) => {
    incoming.headers = { 'x-of-a-hook': 'kept' }
  })
  for (const hook of ['preValidation', 'preHandler', 'onSend', 'onResponse'] as const) {
    app.addHook(hook as 'preHandler', async ({ headers }) => {
      seen.push([headers['content-type'], headers['x-of-a-hook']])
    })
  }
  app.register(fastifyOrderSync, { handler })
  await send(app, withHeaders(request(), { 'Content-Type': type }))
  await app.close()
  expect(seen).toEqual(Array(4).fill([type, 'kept']))
})
