/** A handler in its own process. Several of these share one PostgreSQL. */
import { randomUUID } from 'node:crypto'
import process from 'node:process'
import { createOrderSyncHandler } from 'alipayhk-order-sync'
import { postgresStore } from 'alipayhk-order-sync/stores/postgres'
import { Pool } from 'pg'
import { merchantCredentials, NOW, order, request, type TestRequest } from '../tests/support/messages.ts'

/** The first message. Every other message is a {@link PostgresTask}. */
export interface PostgresSetup {
  readonly url: string
  readonly schema: string
}

/** How many requests to create, or the order to process them. */
export type PostgresTask = number | 'process'

/** Requests in flight. */
const CONCURRENCY = 16

process.once('message', ({ url, schema }: PostgresSetup) => {
  const pool = new Pool({ connectionString: url, options: `-c search_path=${schema}`, max: CONCURRENCY })
  const handler = createOrderSyncHandler({
    credentials: merchantCredentials(),
    store: postgresStore({ pool }),
    onOrder: ({ merchantBizNo }) => ({ orderId: merchantBizNo }),
    now: () => NOW,
  })
  let requests: TestRequest[] = []

  async function processRequests(): Promise<void> {
    for (let next = requests.pop(); next; next = requests.pop()) {
      const { status } = await handler(next)
      // A handler that fails is fast, and must not count.
      if (status !== 200) throw new Error(`The response had status ${status}`)
    }
  }

  process.on('message', async (task: PostgresTask) => {
    if (task === 'process') await Promise.all(Array.from({ length: CONCURRENCY }, processRequests))
    else requests = Array.from({ length: task }, createRequest)
    process.send?.('done')
  })
  process.send?.('ready')
})

const createRequest = () => request({ message: order({ requestId: randomUUID(), merchantBizNo: randomUUID() }) })
