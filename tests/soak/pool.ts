import { Pool } from 'pg'

/** The pool of a process of the soak test: its waits are short, so that a fault does not use up the time of a delivery. */
export function createSoakPool(connectionString: string, applicationName: string, max: number): Pool {
  const pool = new Pool({
    connectionString,
    application_name: applicationName,
    max,
    connectionTimeoutMillis: 500,
    query_timeout: 1_000,
    keepAlive: true,
  })
  pool.on('error', () => undefined)
  // A connection that breaks between two queries of a transaction: without a listener, the process ends.
  pool.on('connect', (connection) => connection.on('error', () => undefined))
  return pool
}
