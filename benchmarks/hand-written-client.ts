import { createVerify, randomUUID, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { CLIENT_ID, PATH } from '../tests/support/messages.ts'
import { type MerchantKeys, TOLERANCE_SECONDS } from './scenarios.ts'

const signOnPool = promisify(sign)

/**
 * Hand-written code of an expert. It does not validate the order or the response, and does not retry.
 */
export async function syncHandWritten(
  url: string,
  order: object,
  { privateKey, peerKey }: MerchantKeys,
): Promise<string> {
  const requestTime = new Date().toISOString()
  const requestId = randomUUID().replaceAll('-', '')
  const body = Buffer.from(JSON.stringify({ requestId, merchantBizType: 'TRADE_ORDER', ...order }))
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
  const received = Buffer.from(await response.arrayBuffer())
  const header = response.headers.get('Signature') ?? ''
  const value = Buffer.from(decodeURIComponent(header.slice(header.indexOf('signature=') + 10)), 'base64')
  const time = response.headers.get('Response-Time') ?? ''
  const head = `POST ${PATH}\n${CLIENT_ID}.${time}.`
  if (Math.abs(Date.now() - Date.parse(time)) > TOLERANCE_SECONDS * 1_000) throw new Error('The response is too old')
  if (!createVerify('sha256').update(head).update(received).verify(peerKey, value)) {
    throw new Error('The signature is invalid')
  }
  const { result, orderId } = JSON.parse(String(received)) as { result: { resultStatus: string }; orderId: string }
  if (response.status !== 200 || result.resultStatus !== 'S') throw new Error('The order was refused')
  return orderId
}
