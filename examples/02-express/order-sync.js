import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
import { migratePostgres, postgresStore } from 'alipayhk-order-sync/stores/postgres'
import pg from 'pg'

const { CLIENT_ID = '', MERCHANT_PRIVATE_KEY = '', ALIPAYHK_PUBLIC_KEY = '', DATABASE_URL } = process.env

export const pool = DATABASE_URL
  ? new pg.Pool({ connectionString: DATABASE_URL, connectionTimeoutMillis: 5_000 })
  : undefined
// The pool replaces a connection that breaks while it is idle.
pool?.on('error', (error) => console.error('a connection to the database broke:', error.message))
if (pool) await migratePostgres(pool)

export const handler = createOrderSyncHandler({
  credentials: {
    clientId: CLIENT_ID,
    privateKeys: { 1: MERCHANT_PRIVATE_KEY },
    peerPublicKeys: { 1: ALIPAYHK_PUBLIC_KEY },
  },
  // In memory, everything is lost when the process ends: set DATABASE_URL in production. docs/stores.md has other databases.
  store: pool ? postgresStore({ pool }) : memoryStore(),
  async onOrder(order) {
    // Write the order to your database here.
    return { orderId: `order-${order.merchantBizNo}` }
  },
  onEvent: (event) => console.log(JSON.stringify(event)),
})
