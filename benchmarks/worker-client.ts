/** A sender in its own process, so that one side does not pay for the garbage of the other. */
import process from 'node:process'
import { createOrderSyncClient } from 'alipayhk-order-sync'
import { validateOrder } from '../src/messages/validate.ts'
import { CLIENT_ID, order } from '../tests/support/messages.ts'
import { runInFlight } from './contenders.ts'
import { syncHandWritten } from './hand-written-client.ts'
import { type MerchantKeys, merchantKeys, type PemKeys, TOLERANCE_SECONDS } from './scenarios.ts'

/** The first message. Every other message is the number of concurrent orders of a round. */
export interface ClientSetup {
  readonly kind: keyof typeof KINDS
  readonly url: string
  readonly keys: PemKeys
}

const { requestId: _, ...input } = validateOrder(order())

const KINDS = {
  ours(url: string, { privateKey, peerKey }: MerchantKeys): () => Promise<unknown> {
    const credentials = { clientId: CLIENT_ID, privateKeys: { 1: privateKey }, peerPublicKeys: { 1: peerKey } }
    const options = { credentials, url, retries: 0, clockToleranceSeconds: TOLERANCE_SECONDS }
    const { syncOrder } = createOrderSyncClient(options)
    return () => syncOrder(input)
  },
  'hand-written': (url: string, keys: MerchantKeys) => () => syncHandWritten(url, input, keys),
}

/** Milliseconds. Rounds of 200 ms differed by a quarter: one garbage collection, or the last orders in flight. */
const ROUND = 500

process.once('message', ({ kind, url, keys }: ClientSetup) => {
  const sync = KINDS[kind](url, merchantKeys(keys))
  process.on('message', async (concurrency: number) => {
    // After a pause, connections are closed and processor caches are cold.
    await runInFlight(sync, concurrency, 100)()
    process.send?.(await runInFlight(sync, concurrency, ROUND)())
  })
  process.send?.('ready')
})
