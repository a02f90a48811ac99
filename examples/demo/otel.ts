/** The demo, with the spans of OpenTelemetry on the console. Run: npm run demo:otel */
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'
import { instrumentOrderSync } from 'alipayhk-order-sync/opentelemetry'

/** Prints a span when it ends: a parent ends after its children. */
const exporter: SpanExporter = {
  export(spans, done) {
    for (const span of spans) print(span)
    done({ code: 0 })
  },
  shutdown: async () => {},
}

function print({ name, duration: [seconds, nanoseconds], parentSpanContext, attributes }: ReadableSpan): void {
  const milliseconds = (seconds * 1_000 + nanoseconds / 1_000_000).toFixed(1).padStart(7)
  console.log(
    `${milliseconds} ms  ${parentSpanContext === undefined ? '' : '  '}${name}  ${JSON.stringify(attributes)}`,
  )
}

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const stop = instrumentOrderSync({
  tracerProvider: new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
})
await import('./demo.ts')
stop()
