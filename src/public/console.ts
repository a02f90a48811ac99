/**
 * The development console: a local web page that shows deliveries, and why one was rejected. For development and staging.
 *
 * @packageDocumentation
 */

export { createConsole, type OrderSyncConsole } from '../console/console.ts'
export type { ConsoleOptions, RecordedDelivery } from '../console/options.ts'
export type { ConsoleOutbox } from '../console/outbox.ts'
