import express from 'express'
import createFastify from 'fastify'
import Koa from 'koa'
import { describe, expect, onTestFinished, test } from 'vitest'
import { lambdaOrderSync } from '../../src/adapters/lambda.ts'
import { merchant } from '../support/merchant.ts'
import { PATH, request } from '../support/messages.ts'
import type { Serve } from './adapter.ts'
import { connectOverHttp } from './client.ts'
import { createExpressAdapter, createFastifyAdapter, createKoaAdapter, createNodeAdapter } from './node-mounts.ts'

const JSON_TYPE = 'application/json; charset=UTF-8'

/** Values of two Content-Type lines, and the verdict on every platform. */
const CASES: readonly [string, string, number][] = [
  [JSON_TYPE, JSON_TYPE, 200],
  [JSON_TYPE, 'application/json', 200],
  ['application/json', JSON_TYPE, 200],
  [JSON_TYPE, 'text/html', 415],
  ['text/html', JSON_TYPE, 415],
  [JSON_TYPE, 'application/json; charset=GBK', 415],
]

const SERVERS: Readonly<Record<string, Serve>> = {
  'node:http': createNodeAdapter().mounts.alone.serve,
  Express: createExpressAdapter(express).mounts.alone.serve,
  Koa: createKoaAdapter(Koa).mounts.alone.serve,
  Fastify: createFastifyAdapter(createFastify).mounts.alone.serve,
}

const withTypes = (types: string[]) => {
  const { headers, ...rest } = request()
  return { ...rest, headers: { ...headers, 'Content-Type': types } }
}

describe.each(CASES)('Content-Type in two lines, "%s" and "%s", gets %i', (first, second, status) => {
  test.each(Object.entries(SERVERS))('on %s', async (_, serve) => {
    const { handler } = merchant()
    const { port, close } = await serve(handler, PATH)
    const { send, close: disconnect } = connectOverHttp(port)
    onTestFinished(async () => {
      disconnect()
      await close()
    })
    expect((await send(withTypes([first, second]))).status).toBe(status)
  })

  test('on the Fetch API', async () => {
    const { method, path, headers, body } = withTypes([first, second])
    const pairs = Object.entries(headers).flatMap(([name, values]) => [values].flat().map((value) => [name, value]))
    const sent = new Request(`http://127.0.0.1${path}`, {
      method,
      headers: pairs as [string, string][],
      body: Buffer.from(body),
    })
    expect((await merchant().handler.fetch(sent)).status).toBe(status)
  })

  test('on Lambda, with multiValueHeaders', async () => {
    const { method, path, headers, body } = withTypes([first, second])
    const multiValueHeaders = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()]))
    const event = { httpMethod: method, path, multiValueHeaders, body: Buffer.from(body).toString() }
    expect((await lambdaOrderSync(merchant().handler)(event)).statusCode).toBe(status)
  })

  test('without HTTP', async () => {
    expect((await merchant().handler(withTypes([first, second]))).status).toBe(status)
  })
})
