/**
 * One replica of a merchant's service, on PostgreSQL in transactional mode. It prints its port. On SIGTERM it accepts no more connections,
 * drains, prints the requests that were still running, and ends.
 *
 * Arguments: URL of the database, application name, file of the credentials. Messages: `clock` moves its clock, `reload` reads the credentials
 * again, `sample` asks for figures of the process.
 */

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { toNodeListener } from '../../src/adapters/node.ts'
import type { Credentials } from '../../src/secure-message/credentials.ts'
import { createOrderSyncHandler } from '../../src/server/handler.ts'
import { transactionalPostgresStore } from '../../src/stores/postgres.ts'
import type { SqlTransaction } from '../support/stores.ts'
import { createSoakPool } from './pool.ts'
import { type ProcessFigures, processFigures } from './process-figures.ts'

/** What the test sends to a process. */
export type Command =
  | { readonly kind: 'clock'; readonly offsetMs: number }
  | { readonly kind: 'reload' }
  | { readonly kind: 'sample' }

/** What a process sends back. */
export type Report = { readonly kind: 'reloaded' } | ({ readonly kind: 'sample' } & ProcessFigures)

const [url = '', applicationName = '', credentialsFile = ''] = process.argv.slice(2)

// The whole process sees the clock jump, not the handler alone.
const realNow = Date.now
let offsetMs = 0
Date.now = () => realNow() + offsetMs

const readCredentials = () => JSON.parse(readFileSync(credentialsFile, 'utf8')) as Credentials
let credentials = readCredentials()

const pool = createSoakPool(url, applicationName, 8)

/** Most orders are quick, some are slow, a few outlive their lease, and a few fail. */
async function beSlowOrFail(): Promise<void> {
  const luck = Math.random()
  if (luck < 0.02) throw new Error('The merchant failed')
  if (luck < 0.025) await sleep(2_500)
  else if (luck < 0.2) await sleep(Math.random() * 200)
}

const handler = createOrderSyncHandler<unknown, SqlTransaction>({
  credentials: () => credentials,
  // Short, so that the rows of requests reach their level soon.
  store: transactionalPostgresStore({ pool, responseTtlMs: 60_000 }),
  async onOrder({ merchantBizNo, orderModifyTime }, { transaction }) {
    await transaction.query(
      `INSERT INTO effects (order_no, modify_time) VALUES ('${merchantBizNo}', ${orderModifyTime})`,
    )
    await beSlowOrFail()
    return { orderId: merchantBizNo }
  },
  onEvent: () => undefined,
  timeoutMs: 1_500,
  leaseMs: 2_000,
  storeTimeoutMs: 800,
  busyWaitMs: 300,
  bodyTimeoutMs: 500,
  maxReading: 40,
  maxConcurrent: 100,
})

const send = (report: Report) => void process.send?.(report)

process.on('message', (command: Command) => {
  switch (command.kind) {
    case 'clock':
      offsetMs = command.offsetMs
      break
    case 'reload':
      credentials = readCredentials()
      send({ kind: 'reloaded' })
      break
    default:
      send({ kind: 'sample', ...processFigures() })
  }
})

const server = createServer(toNodeListener(handler))
process.on('SIGTERM', async () => {
  const closed = new Promise((resolve) => server.close(resolve))
  const { stillRunning } = await handler.drain({ timeoutMs: 10_000 })
  server.closeIdleConnections()
  await closed
  await pool.end()
  console.log(JSON.stringify({ stillRunning }))
  process.disconnect()
})
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })))
