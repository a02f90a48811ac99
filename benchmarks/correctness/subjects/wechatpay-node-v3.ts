import { randomBytes } from 'node:crypto'
import { gatewayRsa, merchantRsa, pem } from '../../../tests/support/keys.ts'
import { json, requirePeer, signRsa } from './peer.ts'
import type { Accepted, Delivery, Receiver, Subject } from './subject.ts'
import { encryptGcm, wechatConfusedKey, wechatDelivery } from './wechat.ts'

interface Pay {
  verifySign(message: object): Promise<boolean>
  sign(content: string): string
  createHttp(service: object): void
  decipher_gcm(ciphertext: string, associatedData: string, nonce: string, key?: string): unknown
}
interface PayClass {
  new (config: object): Pay
  certificates: Record<string, string>
}

const SERIAL = '3775B6A45ACD588826D15E583A95F5DD'
const API_KEY = 'api-v3-key-of-thirty-two-bytes-!'

/** As docs/verifySign.md and docs/transactions_h5.md of its repository, to which its README refers. */
export function wechatpayNodeV3(): Subject {
  const Pay = requirePeer<PayClass>('wechatpay-node-v3')
  const create = (changes: object = {}) => {
    const pay = new Pay({
      ...{ appid: 'wx1', mchid: '1', serial_no: '1', key: API_KEY },
      ...{ publicKey: Buffer.from(pem(merchantRsa().publicKey)) },
      ...{ privateKey: Buffer.from(pem(merchantRsa().privateKey)), ...changes },
    })
    // It looks up an unknown serial number at api.mch.weixin.qq.com. Here, that list has no other certificate.
    pay.createHttp({ get: async () => ({ status: 200, data: { data: [] } }) })
    return pay
  }
  // The state after its fetchCertificates().
  Pay.certificates = { [SERIAL]: pem(gatewayRsa().publicKey) }

  const verify = async ({ headers }: Delivery, body: unknown): Promise<Accepted | undefined> => {
    const isGenuine = await create().verifySign({
      body,
      signature: headers['wechatpay-signature'],
      serial: headers['wechatpay-serial'],
      nonce: headers['wechatpay-nonce'],
      timestamp: headers['wechatpay-timestamp'],
    })
    return isGenuine ? { value: typeof body === 'string' ? JSON.parse(body) : body } : undefined
  }
  const receiver: Receiver = {
    ...{ decodes: false, parses: false, signsTime: true },
    signatureHeader: 'wechatpay-signature',
    timeHeader: 'wechatpay-timestamp',
    readHeader: 'wechatpay-nonce',
    sign: (body, { secondsAgo = 0, stranger = false } = {}) => wechatDelivery(body, SERIAL, secondsAgo, stranger),
    async receive(delivery) {
      const accepted = await verify(delivery, delivery.body.toString())
      return accepted && { ...accepted, header: delivery.headers['wechatpay-nonce'] }
    },
    async receiveParsed(delivery) {
      return (await verify(delivery, JSON.parse(delivery.body.toString()))) ?? 'verifySign() resolves to false'
    },
    confuseKey: (body) => wechatConfusedKey(body, SERIAL),
    nameKey: (body, serial) => wechatDelivery(body, serial, 0, true),
  }
  return {
    name: 'wechatpay-node-v3',
    receiver,
    cipher: {
      isRandomized: false,
      roundTrip(text, flip) {
        const nonce = randomBytes(6).toString('hex')
        const ciphertext = encryptGcm(json({ text }), API_KEY, nonce, 'transaction')
        // In `{"text":"amount=100"}`, the 1 becomes a 9.
        if (flip) ciphertext[16] = (ciphertext[16] ?? 0) ^ 8
        const plaintext = create().decipher_gcm(ciphertext.toString('base64'), 'transaction', nonce)
        return (plaintext as { text: string }).text
      },
    },
    setup: {
      privateKey(text) {
        const pay = create({ privateKey: Buffer.from(text) })
        return () => pay.sign('content') === signRsa('content', merchantRsa().privateKey)
      },
    },
    logged: () => ({
      objects: [create()],
      secrets: [merchantRsa().privateKey.export({ type: 'pkcs8', format: 'der' }), Buffer.from(API_KEY)],
    }),
  }
}
