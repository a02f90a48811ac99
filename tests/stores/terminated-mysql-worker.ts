/**
 * Uses a transactional store in MySQL, in a process of its own, while its connections are killed. An 'error' event that nobody hears
 * ends this process. It prints how often each outcome occurred, and how many orders have a wrong number of effects.
 *
 * Arguments: URL of the server, database, seconds.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RowDataPacket } from 'mysql2/promise'
import { transactionalMysqlStore } from '../../src/stores/mysql.ts'
import { migrateMysql } from '../../src/stores/mysql-migration.ts'
import { mysqlPoolAt } from '../support/stores.ts'

const [url = '', database = '', seconds = '3'] = process.argv.slice(2)
const claimOptions = { leaseMs: 30_000, compareModifyTimeWith: 'orderModifyTime' } as const
const until = performance.now() + Number(seconds) * 1_000
const direct = mysqlPoolAt(url, database, { connectionLimit: 1 })
await migrateMysql(direct)
await direct.query('CREATE TABLE effects (order_no varchar(64)) ENGINE = InnoDB')
const pool = mysqlPoolAt(url, database, { connectionLimit: 8 })
const store = transactionalMysqlStore({ pool })
const outcomes: Record<string, number> = { processed: 0, failed: 0, wrong: 0 }
/** The orders whose claim succeeded, and whether the store said that they were processed. */
const orders = new Map<string, boolean>()

function count(outcome: string): void {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
}

async function processOne(): Promise<void> {
  const key = randomUUID()
  const delivery = { orderKey: key, requestKey: key, digest: 'digest', contentDigest: 'content', orderModifyTime: 1 }
  const claim = await store.claim(delivery, claimOptions)
  if (claim.decision !== 'process') throw new Error(claim.decision)
  orders.set(key, false)
  const finished = await store.finishInTransaction?.({ delivery, token: claim.token }, async (transaction) => {
    await transaction.query('INSERT INTO effects VALUES (?)', [key])
    return { storedResponse: 'response', processed: true }
  })
  orders.set(key, finished === true)
}

async function work(): Promise<void> {
  while (performance.now() < until) {
    await processOne().then(
      () => count('processed'),
      () => count('failed'),
    )
  }
}

async function kill(): Promise<void> {
  const others = 'db = ? AND id <> CONNECTION_ID()'
  while (performance.now() < until) {
    const [rows] = await direct.query<RowDataPacket[]>(
      `SELECT id FROM information_schema.processlist WHERE ${others} ORDER BY RAND() LIMIT 2`,
      [database],
    )
    for (const row of rows) await direct.query(`KILL ${Number(row['id'])}`).catch(() => undefined)
    await sleep(Math.random() * 10)
  }
}

await Promise.all([...Array.from({ length: 12 }, work), kill()])
await pool.end()
for (const [key, isProcessed] of orders) {
  const [rows] = await direct.query<RowDataPacket[]>('SELECT 1 FROM effects WHERE order_no = ?', [key])
  const isRecorded = (await transactionalMysqlStore({ pool: direct }).read(key))?.last !== undefined
  // A lost response to the commit: the store says "failed", and the record says what happened.
  if (rows.length !== Number(isRecorded) || (isProcessed && !isRecorded)) count('wrong')
}
await direct.end()
console.log(JSON.stringify(outcomes))
