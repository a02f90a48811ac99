/**
 * One process with a worker of the outbox, on PostgreSQL. It prints a port, as a replica does, although nothing connects to it. On SIGTERM it
 * claims no more events, waits for its sends, and ends.
 *
 * Arguments: URL of the database, application name, file of the credentials, URL of the gateway, file of the log, whether orders are encrypted.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { createOrderSyncClient } from '../../src/client/client.ts'
import { createOutbox } from '../../src/outbox/outbox.ts'
import type { Credentials } from '../../src/secure-message/credentials.ts'
import { postgresOutboxStore } from '../../src/stores/outbox-postgres.ts'
import type { OutboxStore } from '../../src/stores/outbox-store.ts'
import { createSoakPool } from './pool.ts'
import { processFigures } from './process-figures.ts'
import type { WorkerEntry } from './sending-books.ts'
import { monotonicSeconds } from './sending-books.ts'
import type { Command, Report } from './soak-replica.ts'

const [url = '', applicationName = '', credentialsFile = '', gatewayUrl = '', logFile = '', encrypt = ''] =
  process.argv.slice(2)

const pool = createSoakPool(url, applicationName, 4)

const newClient = () =>
  createOrderSyncClient({
    credentials: JSON.parse(readFileSync(credentialsFile, 'utf8')) as Credentials,
    url: gatewayUrl,
    encrypt: encrypt === 'true',
    retries: 0,
    timeoutMs: 2_000,
  })
let client = newClient()

const write = (entry: Omit<WorkerEntry, 'at'>) =>
  appendFileSync(logFile, `${JSON.stringify({ at: monotonicSeconds(), ...entry })}\n`)

/** Of the events that are being sent. */
const requestIds = new Map<string, string>()
const postgresStore = postgresOutboxStore({ pool })
/** Writes down what the store has really recorded: also what it recorded after its time limit. */
const store: OutboxStore = {
  ...postgresStore,
  async claim(request) {
    const found = await postgresStore.claim(request)
    for (const { id, requestId } of found.events) requestIds.set(id, requestId)
    return found
  },
  async finish(completions, options) {
    const fenced = await postgresStore.finish(completions, options)
    for (const { id, outcome } of completions) {
      const requestId = requestIds.get(id)
      if (outcome.kind === 'sent' && requestId !== undefined && !fenced.includes(id)) {
        requestIds.delete(id)
        write({ kind: 'noted', requestId })
      }
    }
    return fenced
  },
}

const outbox = createOutbox({
  store,
  client: () => client,
  // Short, so that the events of a killed worker are sent again soon, and rows reach their level.
  leaseMs: 6_000,
  storeTimeoutMs: 1_500,
  baseDelayMs: 100,
  maxDelayMs: 2_000,
  keepSentMs: 60_000,
  onEvent(event) {
    if (event.kind === 'unavailable') return
    const { kind, requestId } = event
    write({ requestId, kind, ...('code' in event && { code: event.code }) })
  },
})
const stop = new AbortController()
const running = outbox.run({ concurrency: 10, signal: stop.signal })

const send = (report: Report) => void process.send?.(report)

process.on('message', (command: Command) => {
  if (command.kind === 'reload') {
    client = newClient()
    send({ kind: 'reloaded' })
  } else if (command.kind === 'sample') send({ kind: 'sample', ...processFigures() })
})

process.on('SIGTERM', async () => {
  stop.abort()
  await running
  await pool.end()
  console.log(JSON.stringify({ stillRunning: [] }))
  process.disconnect()
})
console.log(JSON.stringify({ port: 0 }))
