import { createVerify, randomUUID, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { createOrderSyncClient, type OrderInput } from 'alipayhk-order-sync'
import { CLIENT_ID, order, PATH } from '../tests/support/exchange.ts'
import { duel, type Figure, SPEED } from './measure.ts'
import { inFlight } from './operations.ts'
import { startWorker } from './processes.ts'
import { keyTexts, type MerchantKeys, merchantKeys } from './traffic.ts'

const signOnPool = promisify(sign)

/** Outbound syncs, beside fetch with the same crypto written by hand; the peer is another process. */
export async function client(rounds: number): Promise<Figure[]> {
  const keys = keyTexts('plain')
  const { privateKey, peerKey } = merchantKeys(keys)
  const peer = startWorker('answering')
  try {
    const url = `http://127.0.0.1:${await peer.ask<number>(keys)}${PATH}`
    const credentials = { clientId: CLIENT_ID, privateKeys: { 1: privateKey }, peerPublicKeys: { 1: peerKey } }
    const { syncOrder } = createOrderSyncClient({ credentials, url, retries: 0 })
    const { requestId: _, ...input } = order() as unknown as OrderInput & { requestId: string }
    const figures: Figure[] = []
    for (const atOnce of [1, 16, 64]) {
      const contenders = {
        ours: inFlight(() => syncOrder(input), atOnce, 400),
        theirs: inFlight(() => syncByHand(url, input, { privateKey, peerKey }), atOnce, 400),
      }
      const measures = [{ ...SPEED, bar: { least: 0.92 } }]
      figures.push(...(await duel({ what: `${atOnce} at once`, ...contenders, measures }, rounds)))
    }
    return figures
  } finally {
    peer.end()
  }
}

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
  if (Math.abs(Date.now() - Date.parse(time)) > 300_000) throw new Error('late')
  if (!createVerify('sha256').update(head).update(answer).verify(peerKey, value)) throw new Error('forged')
  const { result, orderId } = JSON.parse(String(answer)) as { result: { resultStatus: string }; orderId: string }
  if (response.status !== 200 || result.resultStatus !== 'S') throw new Error('refused')
  return orderId
}
