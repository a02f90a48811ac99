/** A handler on a PostgreSQL that others work on too, in a process of its own. */
import { randomUUID } from 'node:crypto'
import process from 'node:process'
import { createOrderSyncHandler } from 'alipayhk-order-sync'
import { postgresStore } from 'alipayhk-order-sync/stores/postgres'
import { Pool } from 'pg'
import { merchantCredentials, NOW, order, request, type TestRequest } from '../tests/support/messages.ts'

/** What it is told, in the first message; then a number of requests to make ready, or to work them off. */
export interface Working {
  readonly url: string
  readonly schema: string
}

/** Requests at work at once. */
const CONCURRENCY = 16

process.once('message', ({ url, schema }: Working) => {
  const pool = new Pool({ connectionString: url, options: `-c search_path=${schema}`, max: CONCURRENCY })
  const handler = createOrderSyncHandler({
    credentials: merchantCredentials(),
    store: postgresStore({ pool }),
    onOrder: ({ merchantBizNo }) => ({ orderId: merchantBizNo }),
    now: () => NOW,
  })
  let requests: TestRequest[] = []

  async function work(): Promise<void> {
    for (let next = requests.pop(); next; next = requests.pop()) {
      const { status } = await handler(next)
      // A handler that fails fast must not win.
      if (status !== 200) throw new Error(`answered with ${status}`)
    }
  }

  process.on('message', async (task: number | 'work') => {
    if (task === 'work') await Promise.all(Array.from({ length: CONCURRENCY }, work))
    else requests = Array.from({ length: task }, newOrder)
    process.send?.('done')
  })
  process.send?.('ready')
})

const newOrder = () => request({ message: order({ requestId: randomUUID(), merchantBizNo: randomUUID() }) })
