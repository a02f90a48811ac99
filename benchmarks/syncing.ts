/** A sender, in a process of its own: what one leaves for the garbage collector is nothing that the other pays for. */
import { createVerify, randomUUID, sign } from 'node:crypto'
import process from 'node:process'
import { promisify } from 'node:util'
import { createOrderSyncClient, type OrderInput } from 'alipayhk-order-sync'
import { CLIENT_ID, order, PATH } from '../tests/support/messages.ts'
import { inFlight } from './operations.ts'
import { type KeyTexts, type MerchantKeys, merchantKeys, TOLERANCE_SECONDS } from './traffic.ts'

/** What it is told first; from then on, how many syncs are to be in flight for a round. */
export interface Syncing {
  readonly kind: keyof typeof KINDS
  readonly url: string
  readonly keys: KeyTexts
}

const { requestId: _, ...input } = order() as unknown as OrderInput & { requestId: string }

const KINDS = {
  ours(url: string, { privateKey, peerKey }: MerchantKeys): () => Promise<unknown> {
    const credentials = { clientId: CLIENT_ID, privateKeys: { 1: privateKey }, peerPublicKeys: { 1: peerKey } }
    const { syncOrder } = createOrderSyncClient({ credentials, url, retries: 0, clockToleranceSeconds: TOLERANCE_SECONDS })
    return () => syncOrder(input)
  },
  'by hand': (url: string, keys: MerchantKeys) => () => syncByHand(url, input, keys),
}

/** Milliseconds. Rounds of 200 differed by a fourth, by one garbage collection more or less and the last syncs in flight. */
const ROUND = 500

process.once('message', ({ kind, url, keys }: Syncing) => {
  const sync = KINDS[kind](url, merchantKeys(keys))
  process.on('message', async (atOnce: number) => {
    // After a pause connections have ended and caches are cold.
    await inFlight(sync, atOnce, 100)()
    process.send?.(await inFlight(sync, atOnce, ROUND)())
  })
  process.send?.('ready')
})

const signOnPool = promisify(sign)

/** What somebody would write by hand who knows how to write it. The order is not validated, nor its answer; nothing is retried. */
async function syncByHand(url: string, input: object, { privateKey, peerKey }: MerchantKeys): Promise<string> {
  const requestTime = new Date().toISOString()
  const requestId = randomUUID().replaceAll('-', '')
  const body = Buffer.from(JSON.stringify({ requestId, merchantBizType: 'TRADE_ORDER', ...input }))
  const content = Buffer.concat([Buffer.from(`POST ${PATH}\n${CLIENT_ID}.${requestTime}.`), body])
  const signature = await signOnPool('sha256', content, privateKey)
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'Client-Id': CLIENT_ID,
      'Content-Type': 'application/json; charset=UTF-8',
      'Request-Time': requestTime,
      Signature: `algorithm=RSA256,keyVersion=1,signature=${encodeURIComponent(signature.toString('base64'))}`,
    },
    body,
    signal: AbortSignal.timeout(10_000),
  })
  const answer = Buffer.from(await response.arrayBuffer())
  const header = response.headers.get('Signature') ?? ''
  const value = Buffer.from(decodeURIComponent(header.slice(header.indexOf('signature=') + 10)), 'base64')
  const time = response.headers.get('Response-Time') ?? ''
  const head = `POST ${PATH}\n${CLIENT_ID}.${time}.`
  if (Math.abs(Date.now() - Date.parse(time)) > TOLERANCE_SECONDS * 1_000) throw new Error('late')
  if (!createVerify('sha256').update(head).update(answer).verify(peerKey, value)) throw new Error('forged')
  const { result, orderId } = JSON.parse(String(answer)) as { result: { resultStatus: string }; orderId: string }
  if (response.status !== 200 || result.resultStatus !== 'S') throw new Error('refused')
  return orderId
}
