import { randomBytes } from 'node:crypto'
import { startGateway } from '../../../tests/support/gateway.ts'
import { gatewayRsa, merchantRsa, pem } from '../../../tests/support/keys.ts'
import { json, requirePeer } from './peer.ts'
import type { Accepted, Caller, Delivery, Receiver, Setup, Subject } from './subject.ts'
import { encryptGcm, wechatConfusedKey, wechatDelivery } from './wechat.ts'

interface Wechatpay {
  readonly v3: {
    pay: { transactions: { native: { post(body: object): Promise<{ data: unknown; headers: object }> } } }
  }
}
interface Plugin {
  readonly Wechatpay: new (config: object) => Wechatpay
  readonly Aes: {
    AesGcm: {
      encrypt(plaintext: string, key: string, iv: string, aad: string): string
      decrypt(ciphertext: string, key: string, iv: string, aad: string): string
    }
  }
}

const SERIAL = 'PUB_KEY_ID_0114232134912410000000'
const API_KEY = 'api-v3-key-of-thirty-two-bytes-!'

/**
 * As "初始化" and "Native下单" of its README. It verifies the responses of its own requests; they have the same signed form
 * as notifications, for which it has no function. So the cases for received messages arrive as responses.
 */
export function wechatpayAxiosPlugin(): Subject {
  const { Wechatpay, Aes } = requirePeer<Plugin>('wechatpay-axios-plugin')
  const create = (changes: object = {}) =>
    new Wechatpay({
      ...{ mchid: '1900006XXX', serial: '3775B6A45ACD588826D15E583A95F5DD', timeout: 15_000 },
      ...{ privateKey: pem(merchantRsa().privateKey), certs: { [SERIAL]: pem(gatewayRsa().publicKey) } },
      // For the log: the secret of APIv2.
      ...{ secret: API_KEY, ...changes },
    })
  const pay = (client: Wechatpay) => client.v3.pay.transactions.native.post({ out_trade_no: 'T-1' })

  async function receive({ headers, body }: Delivery, changes: object = {}): Promise<Accepted | undefined> {
    const gateway = await startGateway((response) => void response.writeHead(200, headers).end(body))
    try {
      const { data } = await pay(create({ ...changes, baseURL: gateway.url }))
      return { value: data, header: headers['wechatpay-nonce'] }
    } finally {
      await gateway.close()
    }
  }
  const receiver: Receiver = {
    ...{ decodes: true, parses: true, signsTime: true },
    signatureHeader: 'wechatpay-signature',
    timeHeader: 'wechatpay-timestamp',
    readHeader: 'wechatpay-nonce',
    sign: (body, { secondsAgo = 0, stranger = false } = {}) => wechatDelivery(body, SERIAL, secondsAgo, stranger),
    receive: (delivery) => receive(delivery),
    confuseKey: (body) => wechatConfusedKey(body, SERIAL),
    nameKey: (body, serial) => wechatDelivery(body, serial, 0, true),
  }

  const caller: Caller = {
    signsResponses: true,
    call: async (baseURL, timeout = 15_000) => (await pay(create({ baseURL, timeout }))).data,
    respond(_request, { secondsAgo = 0, other = false } = {}) {
      const { headers, body } = wechatDelivery(json({ code_url: other ? 'OTHER' : 'A-1' }), SERIAL, secondsAgo, false)
      return { status: 200, headers, body }
    },
    configure: (baseURL) => void create({ baseURL }),
  }

  const genuine = () => wechatDelivery(json({ code_url: 'A-1' }), SERIAL, 0, false)
  const setup: Setup = {
    privateKey(privateKey) {
      create({ privateKey })
      return async () => (await receive(genuine(), { privateKey })) !== undefined
    },
    publicKey(text) {
      const certs = { [SERIAL]: text }
      create({ certs })
      return async () => (await receive(genuine(), { certs })) !== undefined
    },
    unset(text) {
      const certs = { [SERIAL]: text }
      create({ certs })
      return async () => {
        const forged = wechatDelivery(json({ code_url: 'A-1' }), SERIAL, 0, true)
        return (await receive(forged, { certs }).catch(() => undefined)) !== undefined
      }
    },
  }
  return {
    name: 'wechatpay-axios-plugin',
    receiver,
    caller,
    cipher: {
      isRandomized: false,
      encrypt(text) {
        const ciphertext = Aes.AesGcm.encrypt(text, API_KEY, randomBytes(6).toString('hex'), 'transaction')
        return { ciphertext: Buffer.from(ciphertext, 'base64') }
      },
      roundTrip(text, flip) {
        const nonce = randomBytes(6).toString('hex')
        const ciphertext = encryptGcm(json({ text }), API_KEY, nonce, 'transaction')
        if (flip) ciphertext[16] = (ciphertext[16] ?? 0) ^ 8
        const plaintext = Aes.AesGcm.decrypt(ciphertext.toString('base64'), API_KEY, nonce, 'transaction')
        return (JSON.parse(plaintext) as { text: string }).text
      },
    },
    setup,
    logged: () => ({
      objects: [create()],
      secrets: [merchantRsa().privateKey.export({ type: 'pkcs8', format: 'der' }), Buffer.from(API_KEY)],
    }),
  }
}
