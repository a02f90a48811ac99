import * as diagnostics from 'node:diagnostics_channel'
import {
  type Attributes,
  context,
  type Histogram,
  type MeterProvider,
  metrics,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import { CHANNEL_PREFIX, TRACE_NAMES, type TraceContext, type TraceName } from './channels.ts'

/** Options of {@link instrumentOrderSync}. */
export interface InstrumentationOptions {
  /** @defaultValue the global provider of `@opentelemetry/api` */
  readonly tracerProvider?: TracerProvider | undefined
  /** @defaultValue the global provider of `@opentelemetry/api` */
  readonly meterProvider?: MeterProvider | undefined
}

/** The part of a handler's event that metrics need. */
interface MeasuredEvent {
  readonly kind: string
  readonly ended?: string
  readonly code: string
  readonly durationMs: number
  readonly clockSkewMs?: number
}

const NAME = 'alipayhk-order-sync'

/**
 * Creates OpenTelemetry spans and metrics for the handlers and clients of this process. Call it once, after you have
 * set up the SDK. Names and attributes are in docs/observability.md. They contain no secret and no customer data.
 *
 * Needs `@opentelemetry/api`, and a runtime with tracing channels: Node.js, Bun, Deno. Elsewhere it does nothing.
 *
 * @returns A function that stops the instrumentation.
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import { instrumentOrderSync } from 'alipayhk-order-sync/opentelemetry'
 *
 * const stop = instrumentOrderSync()
 * ```
 */
export function instrumentOrderSync({
  tracerProvider = trace.getTracerProvider(),
  meterProvider = metrics.getMeterProvider(),
}: InstrumentationOptions = {}): () => void {
  const { tracingChannel } = diagnostics as { tracingChannel?: typeof diagnostics.tracingChannel }
  if (tracingChannel === undefined) return () => {}
  const tracer = tracerProvider.getTracer(NAME)
  const instruments = createInstruments(meterProvider)
  /** Running operations, by the context object of their channel. */
  const running = new WeakMap<object, { readonly span: Span; readonly startedAt: number }>()

  const stops = TRACE_NAMES.map((name) => {
    const subscribers = {
      start: quietly((message: TraceContext) => {
        const span = tracer.startSpan(`order_sync.${name}`, {
          kind: kindOf(name),
          attributes: attributesOf(name, message),
        })
        const active = trace.setSpan(context.active(), span)
        message.run = (work) => context.with(active, work)
        running.set(message, { span, startedAt: performance.now() })
        instruments.onStart(name)
      }),
      error: quietly((message: TraceContext & { error?: unknown }) => {
        const span = running.get(message)?.span
        const { name: type = 'Error', code } = (message.error ?? {}) as { name?: string; code?: string }
        span?.setStatus({ code: SpanStatusCode.ERROR })
        span?.setAttribute('error.type', code ?? type)
      }),
      asyncEnd: quietly((message: TraceContext) => {
        const found = running.get(message)
        if (found === undefined) return
        found.span.setAttributes(attributesOf(name, message))
        if ('kind' in message && isOurFailure(message)) found.span.setStatus({ code: SpanStatusCode.ERROR })
        found.span.end()
        instruments.onEnd(name, (performance.now() - found.startedAt) / 1_000, attributesOf(name, message))
      }),
    }
    const channel = tracingChannel(`${CHANNEL_PREFIX}:${name}`)
    const all = subscribers as unknown as Parameters<typeof channel.subscribe>[0]
    channel.subscribe(all)
    return () => channel.unsubscribe(all)
  })

  const onEvent = quietly((event: MeasuredEvent) => instruments.onEvent(event)) as (message: unknown) => void
  diagnostics.subscribe(`${CHANNEL_PREFIX}:event`, onEvent)
  return () => {
    for (const stop of stops) stop()
    diagnostics.unsubscribe(`${CHANNEL_PREFIX}:event`, onEvent)
  }
}

/** A subscriber that throws would end the process: a failure of telemetry must not stop orders. */
function quietly<Message>(subscriber: (message: Message) => void): (message: Message) => void {
  return (message) => {
    try {
      subscriber(message)
    } catch {}
  }
}

function kindOf(name: TraceName): SpanKind {
  return name === 'send' ? SpanKind.CLIENT : SpanKind.INTERNAL
}

function isOurFailure(message: { kind?: string }): boolean {
  return message.kind === 'failed' || message.kind === 'unavailable' || message.kind === 'fenced'
}

/** The attributes of a span: from the semantic conventions where they have a name, otherwise under `order_sync.`. */
const ATTRIBUTE_NAMES: Readonly<Record<string, string>> = {
  host: 'server.address',
  status: 'http.response.status_code',
  operation: 'db.operation.name',
  kind: 'order_sync.outcome',
  code: 'order_sync.code',
  clientId: 'order_sync.client_id',
  requestId: 'order_sync.request_id',
  tracerId: 'order_sync.tracer_id',
  orderKey: 'order_sync.order_key',
  keyVersion: 'order_sync.key_version',
  message: 'order_sync.message',
  decision: 'order_sync.decision',
  attempt: 'order_sync.attempt',
}

function attributesOf(name: TraceName, message: object): Attributes {
  const attributes: Attributes = name === 'send' ? { 'http.request.method': 'POST' } : {}
  for (const [member, value] of Object.entries(message)) {
    const attribute = ATTRIBUTE_NAMES[member]
    if (attribute !== undefined && (typeof value === 'string' || typeof value === 'number'))
      attributes[attribute] = value
  }
  const { attempt } = message as { attempt?: number }
  if (attempt !== undefined && attempt > 1) attributes['http.request.resend_count'] = attempt - 1
  return attributes
}

/** Ids are attributes of spans only: in a metric, each id would be a separate time series. */
const METRIC_ATTRIBUTES = [
  'db.operation.name',
  'order_sync.decision',
  'server.address',
  'http.response.status_code',
] as const

function pick(attributes: Attributes): Attributes {
  return Object.fromEntries(METRIC_ATTRIBUTES.flatMap((name) => (name in attributes ? [[name, attributes[name]]] : [])))
}

function createInstruments(provider: MeterProvider) {
  const meter = provider.getMeter(NAME)
  const seconds = (name: string, description: string): Histogram =>
    meter.createHistogram(name, { unit: 's', description })
  const handlerDuration = seconds('order_sync.handler.duration', 'Time from receiving a request to its outcome')
  const clockSkew = seconds('order_sync.clock_skew', 'How far Request-Time is ahead of the local clock')
  const stepDurations: { readonly [Name in TraceName]?: Histogram } = {
    store: seconds('order_sync.store.duration', 'Duration of a store call'),
    onOrder: seconds('order_sync.on_order.duration', 'Duration of a call of onOrder'),
    send: seconds('order_sync.client.duration', 'Duration of an attempt of the client'),
    outbox: seconds(
      'order_sync.outbox.duration',
      'Duration of sending an event of the outbox, with all attempts of the client',
    ),
  }
  const inFlight = meter.createUpDownCounter('order_sync.handler.in_flight', {
    description: 'Requests without a response',
  })
  const retries = meter.createCounter('order_sync.client.retries', {
    description: 'Attempts of the client after the first',
  })
  const leaseLosses = meter.createCounter('order_sync.lease_losses', {
    description: 'Orders whose onOrder ended after its lease',
  })
  return {
    onStart(name: TraceName) {
      if (name === 'handle') inFlight.add(1)
    },
    onEnd(name: TraceName, durationSeconds: number, attributes: Attributes) {
      if (name === 'handle') inFlight.add(-1)
      stepDurations[name]?.record(durationSeconds, pick(attributes))
      if (attributes['http.request.resend_count'] !== undefined) retries.add(1, pick(attributes))
    },
    onEvent({ kind, ended, code, durationMs, clockSkewMs }: MeasuredEvent) {
      handlerDuration.record(durationMs / 1_000, { 'order_sync.outcome': kind, 'order_sync.code': code })
      if (kind === 'fenced' || ended === 'fenced') leaseLosses.add(1)
      if (clockSkewMs !== undefined && kind !== 'late') clockSkew.record(clockSkewMs / 1_000)
    },
  }
}
