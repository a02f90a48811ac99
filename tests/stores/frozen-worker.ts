/**
 * Processes one order in a transaction, in a process of its own, and freezes before COMMIT as SIGSTOP does: with row locks.
 *
 * Arguments: URL of the database, schema, lease in milliseconds.
 */
import process from 'node:process'
import { Pool } from 'pg'
import { transactionalPostgresStore } from '../../src/stores/postgres.ts'
import type { PostgresClient, PostgresPool } from '../../src/stores/postgres-pool.ts'

const [url = '', schema = '', leaseMs = '1000'] = process.argv.slice(2)
// The test finds this process by the name of its connections.
const pool = new Pool({ connectionString: url, application_name: `frozen ${process.pid} ${schema}` })
pool.on('error', () => undefined)

const freezingPool: PostgresPool = {
  query: (text, values) => pool.query(text, values),
  async connect() {
    const client: PostgresClient = await pool.connect()
    const query: PostgresClient['query'] = async (text, values) => {
      if (text === 'COMMIT') process.kill(process.pid, 'SIGSTOP')
      return await Reflect.apply(client.query, client, [text, values])
    }
    return new Proxy(client, { get: (target, name) => (name === 'query' ? query : Reflect.get(target, name)) })
  },
}

const delivery = {
  orderKey: 'order',
  requestKey: 'request',
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
}
const store = transactionalPostgresStore({ pool: freezingPool, schema })
const claim = await store.claim(delivery, { leaseMs: Number(leaseMs), compareModifyTimeWith: 'orderModifyTime' })
if (claim.decision !== 'process') throw new Error(claim.decision)
const finished = store.finishInTransaction?.({ delivery, token: claim.token }, async (transaction) => {
  await transaction.query(`INSERT INTO ${schema}.effects VALUES ('frozen')`)
  return { storedResponse: 'frozen', processed: true }
})
console.log(
  await finished?.then(
    () => 'committed',
    () => 'rejected',
  ),
)
await pool.end()
