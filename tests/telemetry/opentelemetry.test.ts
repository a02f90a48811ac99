import { tracingChannel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type ClientOptions,
  createOrderSyncClient,
  memoryStore,
  type OrderInput,
  OrderRefusedError,
} from '../../src/public/index.ts'
import { instrumentOrderSync } from '../../src/public/opentelemetry.ts'
import { TRACE_NAMES } from '../../src/telemetry/channels.ts'
import { type Behaviour, respondsSigned, respondsWith, startGateway } from '../support/gateway.ts'
import { gatewayRsa, merchantRsa, pem } from '../support/keys.ts'
import { merchant } from '../support/merchant.ts'
import {
  encryptedRequest,
  merchantCredentials,
  NOW,
  order,
  refusal,
  request,
  withHeaders,
} from '../support/messages.ts'
import { recordWarnings } from '../support/warnings.ts'

/** Instruments the package, with an SDK that keeps everything in memory. */
function instrument() {
  const spans = new InMemorySpanExporter()
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
  const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 })
  const meterProvider = new MeterProvider({ readers: [reader] })
  const manager = new AsyncLocalStorageContextManager().enable()
  context.setGlobalContextManager(manager)
  const stop = instrumentOrderSync({ tracerProvider, meterProvider })
  onTestFinished(async () => {
    stop()
    context.disable()
    await meterProvider.shutdown()
  })
  return {
    stop,
    tracerProvider,
    spans: () => spans.getFinishedSpans(),
    async metrics() {
      await reader.forceFlush()
      const scopes = metrics.getMetrics().at(-1)?.scopeMetrics ?? []
      return Object.fromEntries(
        scopes.flatMap(({ metrics }) => metrics.map((metric) => [metric.descriptor.name, metric.dataPoints])),
      )
    },
  }
}

async function sync(script: readonly Behaviour[], options: Partial<ClientOptions> = {}) {
  const gateway = await startGateway(...script)
  onTestFinished(gateway.close)
  const client = createOrderSyncClient({
    credentials: merchantCredentials(),
    url: gateway.url,
    now: () => NOW,
    random: () => 0,
    ...options,
  })
  return await client.syncOrder(order() as unknown as OrderInput).catch((error: unknown) => error)
}

describe('instrumentOrderSync', () => {
  test('creates spans of a handler, each a child of the span that it runs in', async () => {
    const { spans, tracerProvider } = instrument()
    const { handler } = merchant({
      async onOrder() {
        tracerProvider.getTracer('of the merchant').startSpan('INSERT').end()
        return { orderId: 'A-1' }
      },
    })
    await handler(encryptedRequest())
    const names = new Map(spans().map((span) => [span.spanContext().spanId, span.name]))
    const parents = spans().map(
      ({ name, parentSpanContext }) => `${name} in ${names.get(parentSpanContext?.spanId ?? '') ?? 'nothing'}`,
    )
    expect(parents).toEqual([
      'order_sync.verify in order_sync.handle',
      'order_sync.decrypt in order_sync.handle',
      'order_sync.store in order_sync.handle',
      'INSERT in order_sync.onOrder',
      'order_sync.onOrder in order_sync.handle',
      'order_sync.store in order_sync.handle',
      'order_sync.sign in order_sync.handle',
      'order_sync.handle in nothing',
    ])
    expect(spans().at(-1)?.attributes).toMatchObject({
      'order_sync.outcome': 'processed',
      'order_sync.code': 'SUCCESS',
      'http.response.status_code': 200,
    })
  })

  test('creates spans of a client, and counts its retries', async () => {
    const { spans, metrics } = instrument()
    expect(await sync([respondsWith(502), respondsSigned()])).toMatchObject({ attempts: 2 })
    const sends = spans().filter(({ name }) => name === 'order_sync.send')
    expect(sends.map(({ attributes, status }) => [attributes['http.response.status_code'], status.code])).toEqual([
      [502, 2],
      [200, 0],
    ])
    expect(sends[1]?.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.request.resend_count': 1,
      'server.address': expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    })
    expect(sends[0]?.attributes['error.type']).toBe('ERR_HTTP_STATUS')
    const found = await metrics()
    expect(found['order_sync.client.retries']).toMatchObject([{ value: 1 }])
    expect(found['order_sync.client.duration']).toHaveLength(2)
  })

  test('measures duration by outcome and code, clock skew, store calls, requests in flight and lost leases', async () => {
    const { metrics } = instrument()
    const { handler } = merchant()
    await handler(request())
    await handler(request())
    await handler(withHeaders(request(), { Signature: 'signature=AAAA' }))
    await merchant({ store: { ...memoryStore(), finish: async () => false } }).handler(request())
    const found = await metrics()
    const outcomes = found['order_sync.handler.duration']?.map(({ attributes }) => attributes)
    expect(outcomes).toEqual([
      { 'order_sync.outcome': 'processed', 'order_sync.code': 'SUCCESS' },
      { 'order_sync.outcome': 'replay', 'order_sync.code': 'SUCCESS' },
      { 'order_sync.outcome': 'rejected', 'order_sync.code': 'ERR_SIGNATURE_INVALID' },
      { 'order_sync.outcome': 'fenced', 'order_sync.code': 'ERR_FENCED' },
    ])
    expect(found['order_sync.clock_skew']).toMatchObject([{ value: { count: 4, sum: 0 } }])
    expect(found['order_sync.handler.in_flight']).toMatchObject([{ value: 0 }])
    expect(found['order_sync.lease_losses']).toMatchObject([{ value: 1 }])
    const calls = found['order_sync.store.duration']?.map(({ attributes }) => attributes['db.operation.name'])
    expect(new Set(calls)).toEqual(new Set(['claim', 'finish']))
  })

  test('stops when its function is called', async () => {
    const { spans, stop } = instrument()
    stop()
    await merchant().handler(request())
    expect(spans()).toEqual([])
  })

  test('does not stop an order when a provider throws', async () => {
    const throwing = () => {
      throw new Error('of the provider')
    }
    const stop = instrumentOrderSync({ tracerProvider: { getTracer: () => ({ startSpan: throwing }) } as never })
    onTestFinished(stop)
    const { handler, events } = merchant()
    await handler(request())
    expect(events).toMatchObject([{ kind: 'processed' }])
  })
})

test('exports no secret and no customer data, for every outcome', async () => {
  const emitWarning = recordWarnings()
  const { spans, metrics } = instrument()
  const printed: unknown[] = []
  for (const name of TRACE_NAMES) {
    const channel = tracingChannel(`alipayhk-order-sync:${name}`)
    const keep = (message: object) => void printed.push(message)
    const subscribers = { start: keep, end: keep, asyncStart: keep, asyncEnd: keep, error: keep }
    channel.subscribe(subscribers)
    onTestFinished(() => void channel.unsubscribe(subscribers))
  }
  const leak = new Error(`SECRET ${order()['userId']} ${pem(merchantRsa().privateKey)}`)
  const options = [
    {},
    { onOrder: () => Promise.reject(leak) },
    { onOrder: () => Promise.reject(new OrderRefusedError('PROCESS_FAIL', 'REASON-for-the-peer')) },
    { store: { ...memoryStore(), claim: () => Promise.reject(leak) } },
    { store: { ...memoryStore(), finish: async () => false } },
    { credentials: () => Promise.reject(leak) },
    {
      signedPath: () => {
        throw leak
      },
    },
  ]
  for (const option of options) {
    for (const incoming of [
      request(),
      encryptedRequest(),
      withHeaders(request(), { Signature: 'signature=AAAA' }),
      request({ message: order({ tradeNo: 5 }) }),
    ]) {
      const { handler, events } = merchant(option as never)
      await handler(incoming)
      printed.push(events, await handler.health())
      // Without onEvent: process warnings.
      await merchant({ ...(option as object), onEvent: undefined } as never).handler(incoming)
    }
  }
  const clientEvents: unknown[] = []
  const signed = respondsSigned({
    ...refusal('PROCESS_FAIL'),
    result: { ...refusal('PROCESS_FAIL').result, resultMessage: String(order()['userId']) },
  })
  for (const behaviour of [
    respondsSigned(),
    respondsWith(502, String(order()['userId'])),
    respondsWith(401, 'no'),
    signed,
  ]) {
    await sync([behaviour], { retries: 1, onEvent: (event) => clientEvents.push(event) })
  }
  printed.push(
    clientEvents,
    spans().map(({ name, attributes, status, events }) => ({ name, attributes, status, events })),
    await metrics(),
  )
  printed.push(emitWarning.mock.calls)
  const text = printed
    .map((value) => `${inspect(value, { depth: 12, maxArrayLength: null })}\n${JSON.stringify(value)}`)
    .join('\n')
  expect(spans().length).toBeGreaterThan(100)
  expect(emitWarning.mock.calls.length).toBeGreaterThan(3)
  const { tradeNo, merchantBizNo, userId } = order()
  const keys = [merchantRsa(), gatewayRsa()].flatMap(({ privateKey, publicKey }) =>
    [privateKey, publicKey].map((key) => pem(key).split('\n')[3]),
  )
  for (const secret of [
    tradeNo,
    merchantBizNo,
    userId,
    'NOTE-for',
    'SECRET',
    ...keys,
    String(request().headers['Signature']).slice(60, 100),
  ]) {
    expect(text).not.toContain(secret)
  }
})

test('the global providers are used without options', () => {
  expect(() => instrumentOrderSync()()).not.toThrow()
  expect(trace.getActiveSpan()).toBeUndefined()
})
