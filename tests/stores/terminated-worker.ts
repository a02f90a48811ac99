/**
 * Uses a transactional store, in a process of its own, while its connections are terminated. An 'error' event that nobody
 * hears ends this process. It prints how often each outcome occurred.
 *
 * Arguments: URL of the database, schema, "proxy" or "stress", seconds of the stress.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'pg'
import { migratePostgres, postgresStore, transactionalPostgresStore } from '../../src/stores/postgres.ts'
import { startPostgresProxy } from '../support/proxy/postgres.ts'

const [url = '', schema = '', mode = '', seconds = '3'] = process.argv.slice(2)
const claimOptions = { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' } as const

const direct = new Pool({ connectionString: url, max: 1 })
direct.on('error', () => undefined)
await migratePostgres(direct, { schema })
const outcomes: Record<string, number> = {}
if (mode === 'proxy') await terminateAtEachStep()
else await terminateRepeatedly(Number(seconds) * 1_000)
await direct.end()
console.log(JSON.stringify(outcomes))

function count(outcome: string): void {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
}

/** Returns a function that processes one new order in a transaction on a client of the pool. */
function processorOf(pool: Pool) {
  const claims = postgresStore({ pool: direct, schema })
  const store = transactionalPostgresStore({ pool, schema, onError: () => count('heard') })
  return async function processOne(work: () => void = () => undefined): Promise<void> {
    const delivery = {
      orderKey: randomUUID(),
      requestKey: randomUUID(),
      digest: 'digest',
      contentDigest: 'content',
      orderModifyTime: 1,
    }
    const claim = await claims.claim(delivery, claimOptions)
    if (claim.decision !== 'process') throw new Error(claim.decision)
    const finished = store.finishInTransaction?.({ delivery, token: claim.token }, async (transaction) => {
      await transaction.query('SELECT 1')
      work()
      return { storedResponse: 'response', processed: true }
    })
    await finished?.then(
      () => count('processed'),
      () => count('failed'),
    )
  }
}

/** The steps at which a connection becomes ready outside of a transaction: the message follows in the same chunk. */
async function terminateAtEachStep(): Promise<void> {
  const proxy = await startPostgresProxy(url)
  const pool = new Pool({ connectionString: proxy.url, max: 1 })
  const processOne = processorOf(pool)
  // A new connection.
  proxy.terminateAfterNextReady()
  await processOne()
  await processOne()
  // The transaction waits for the one connection, and gets it in the turn in which this query ends.
  const query = pool.query('SELECT pg_sleep(0.3)').catch(() => undefined)
  const waiting = processOne()
  await sleep(100)
  proxy.terminateAfterNextReady()
  await Promise.all([query, waiting])
  await processOne()
  // The end of the transaction.
  await processOne(proxy.terminateAfterNextReady)
  await processOne()
  await pool.end()
  await proxy.close()
}

async function terminateRepeatedly(durationMs: number): Promise<void> {
  const pool = new Pool({ connectionString: url, max: 8, application_name: schema })
  const processOne = processorOf(pool)
  const until = performance.now() + durationMs
  const work = async () => {
    while (performance.now() < until) await processOne()
  }
  const terminate = async () => {
    while (performance.now() < until) {
      await direct.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [schema])
      await sleep(Math.random() * 10)
    }
  }
  await Promise.all([...Array.from({ length: 12 }, work), terminate()])
  await pool.end()
}
