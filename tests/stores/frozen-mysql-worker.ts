/**
 * Processes one order in a transaction, in a process of its own, and freezes in onOrder as SIGSTOP does: with the locks of a write.
 *
 * Arguments: URL of the server, database, lease in milliseconds.
 */
import process from 'node:process'
import { transactionalMysqlStore } from '../../src/stores/mysql.ts'
import { mysqlPoolAt } from '../support/stores.ts'

const [url = '', database = '', leaseMs = '1000'] = process.argv.slice(2)
const pool = mysqlPoolAt(url, database)
const delivery = {
  orderKey: 'order',
  requestKey: 'request',
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
}
// The test finds this process by its row.
await pool.query('CREATE TABLE frozen (pid int)')
const store = transactionalMysqlStore({ pool })
const claim = await store.claim(delivery, { leaseMs: Number(leaseMs), compareModifyTimeWith: 'orderModifyTime' })
if (claim.decision !== 'process') throw new Error(claim.decision)
const finished = store.finishInTransaction?.({ delivery, token: claim.token }, async (transaction) => {
  await transaction.query(`INSERT INTO effects VALUES ('frozen')`)
  await pool.query('INSERT INTO frozen VALUES (?)', [process.pid])
  process.kill(process.pid, 'SIGSTOP')
  return { storedResponse: 'frozen', processed: true }
})
console.log(await finished?.catch((error: Error) => error.message))
await pool.end()
