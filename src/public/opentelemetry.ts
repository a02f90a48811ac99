/**
 * Spans and metrics for OpenTelemetry. Needs `@opentelemetry/api`.
 *
 * @packageDocumentation
 */
export { type InstrumentationOptions, instrumentOrderSync } from '../telemetry/opentelemetry.ts'
