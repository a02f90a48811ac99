/** Handles orders, and prints V8's trace of garbage collections. The test reads those between the lines START and END. */
import process from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { createOrderSyncHandler } from '../../src/server/handler.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { merchantCredentials, NOW, order, request } from '../support/messages.ts'

const AT_ONCE = 16
const WARM_UP = 500
const MEASURED = 2_000

const handler = createOrderSyncHandler({
  credentials: merchantCredentials(),
  store: memoryStore({ maxOrders: AT_ONCE, maxRequests: AT_ONCE }),
  now: () => NOW,
  onOrder: ({ merchantBizNo }) => ({ orderId: `A-${merchantBizNo}` }),
})

async function* chunksOf(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body
}

async function handleNext(at: number): Promise<void> {
  const extInfo = { text: String(at).padEnd(5_000, 'x') }
  const message = order({ requestId: `r-${at}`, merchantBizNo: `b-${at}`, extInfo })
  const { method, path, headers, body } = request({ message })
  const { signal } = new AbortController()
  const { status } = await handler({ method, path, headers, body: chunksOf(body), signal })
  if (status !== 200) throw new Error(`The status is ${status}`)
}

let next = 0
async function handleUntil(end: number): Promise<void> {
  const workers = Array.from({ length: AT_ONCE }, async () => {
    while (next < end) await handleNext(next++)
  })
  await Promise.all(workers)
}

await handleUntil(WARM_UP)
setFlagsFromString('--trace-gc-nvp')
process.stdout.write('START\n')
await handleUntil(WARM_UP + MEASURED)
process.stdout.write(`END ${MEASURED}\n`)
