import createFastify, { errorCodes, type FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import { fastifyOrderSync } from '../../src/adapters/fastify.ts'
import { merchant } from '../support/merchant.ts'
import { request, withHeaders } from '../support/messages.ts'

const HOOKS = ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'onSend'] as const

/** An application with an error handler, and a hook that throws. */
function createApp(hook: (typeof HOOKS)[number], error: Error) {
  const { handler, onOrder } = merchant()
  const handledErrors: unknown[] = []
  const app = createFastify()
  app.setErrorHandler((error, _request, reply) => {
    handledErrors.push(error)
    return reply.code(418).send({ from: 'the application' })
  })
  let thrown = false
  const addThrowingHook = (scope: FastifyInstance) =>
    scope.addHook(hook as 'onRequest', async () => {
      // The response of an error handler passes through onSend as well.
      if (hook === 'onSend' && thrown) return
      thrown = true
      throw error
    })
  return { app, handler, onOrder, handledErrors, addThrowingHook }
}

const inject = (app: FastifyInstance, { method, path, headers, body }: ReturnType<typeof request>) =>
  app.inject({ method: method as 'POST', url: path, headers, payload: Buffer.from(body) })

/** Errors that an application may throw, among them one of Fastify's own. */
const ERRORS = {
  'an error': () => new Error('out of paper'),
  'an error with a status': () => Object.assign(new Error('who are you?'), { statusCode: 401, code: 'WHO' }),
  'an error of Fastify': () => errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE('text/x'),
}

describe.each(HOOKS)('fastifyOrderSync behind a hook that throws in %s', (hook) => {
  test.each(Object.entries(ERRORS))("passes %s to the application's error handler", async (_, createError) => {
    const error = createError()
    const { app, handler, onOrder, handledErrors, addThrowingHook } = createApp(hook, error)
    addThrowingHook(app)
    app.register(fastifyOrderSync, { handler })
    const response = await inject(app, request())
    expect(response.statusCode).toBe(418)
    expect(response.json()).toEqual({ from: 'the application' })
    expect(handledErrors).toEqual([error])
    // onSend runs after the handler.
    expect(onOrder).toHaveBeenCalledTimes(hook === 'onSend' ? 1 : 0)
  })

  test('passes the error to the error handler of the surrounding plugin', async () => {
    const error = new Error('out of paper')
    const { app, handler, handledErrors, addThrowingHook } = createApp(hook, error)
    app.register(async (scope) => {
      addThrowingHook(scope)
      scope.setErrorHandler((caught, _request, reply) => reply.code(503).send({ caught: caught === error }))
      scope.register(fastifyOrderSync, { handler })
    })
    const response = await inject(app, request())
    expect(response.statusCode).toBe(503)
    expect(response.json()).toEqual({ caught: true })
    expect(handledErrors).toEqual([])
  })

  test('passes the error to the error handler when Fastify cannot parse the Content-Type', async () => {
    const error = new Error('out of paper')
    const { app, handler, handledErrors, addThrowingHook } = createApp(hook, error)
    addThrowingHook(app)
    app.register(fastifyOrderSync, { handler })
    const response = await inject(app, withHeaders(request(), { 'Content-Type': 'nonsense' }))
    expect(response.statusCode).toBe(418)
    expect(handledErrors).toEqual([error])
  })
})

describe('fastifyOrderSync', () => {
  test.each([
    ['that Fastify can parse', 'application/json; charset=UTF-8'],
    ['that Fastify cannot parse', 'nonsense'],
  ])('passes the original headers to hooks, with a Content-Type %s', async (_, type) => {
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
    await inject(app, withHeaders(request(), { 'Content-Type': type }))
    await app.close()
    expect(seen).toEqual(Array(4).fill([type, 'kept']))
  })
})
