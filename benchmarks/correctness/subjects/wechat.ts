import { createCipheriv, createHmac, randomBytes } from 'node:crypto'
import { gatewayRsa, pem } from '../../../tests/support/keys.ts'
import { privateKeyOf, seconds, signRsa } from './peer.ts'
import type { Delivery } from './subject.ts'

/** A message of WeChat Pay: a notification, or a response. The names of the headers are in lower case, as in Node. */
export function wechatDelivery(body: Buffer, serial: string, secondsAgo: number, stranger: boolean): Delivery {
  const [timestamp, nonce] = [String(seconds(secondsAgo)), randomBytes(16).toString('hex')]
  const signature = signRsa(`${timestamp}\n${nonce}\n${body}\n`, privateKeyOf(stranger))
  return {
    headers: {
      'content-type': 'application/json',
      'wechatpay-timestamp': timestamp,
      'wechatpay-nonce': nonce,
      'wechatpay-serial': serial,
      'wechatpay-signature': signature,
    },
    body,
  }
}

/** A message whose signature is an HMAC with the public key of the gateway as its secret. */
export function wechatConfusedKey(body: Buffer, serial: string): Delivery {
  const { headers } = wechatDelivery(body, serial, 0, true)
  const content = `${headers['wechatpay-timestamp']}\n${headers['wechatpay-nonce']}\n${body}\n`
  const signature = createHmac('sha256', pem(gatewayRsa().publicKey)).update(content).digest('base64')
  return { headers: { ...headers, 'wechatpay-signature': signature }, body }
}

/** The resource of a notification: ciphertext and authentication tag. */
export function encryptGcm(plaintext: Buffer, key: string, nonce: string, associatedData: string): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(associatedData))
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}
