import { createHmac, randomBytes } from 'node:crypto'
import { startGateway } from '../../../tests/support/gateway.ts'
import { gatewayRsa, merchantRsa, pem } from '../../../tests/support/keys.ts'
import { order } from '../../../tests/support/messages.ts'
import { json, privateKeyOf, requirePeer, signRsa } from './peer.ts'
import type { Accepted, Caller, Delivery, Receiver, Setup, Subject } from './subject.ts'

interface AlipaySdk {
  checkNotifySignV2(postData: object): boolean
  curl(method: string, path: string, options: object): Promise<{ data: { trade_no: string } }>
}

type Form = Readonly<Record<string, string>>

// A notification is a form. Its fields are the members of the order; `sign` and `sign_type` count as headers here.
const toForm = (body: Buffer): Form =>
  Object.fromEntries(
    Object.entries(JSON.parse(body.toString()) as object).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )

const contentOf = (form: Form) =>
  Object.keys(form)
    .sort()
    .map((name) => `${name}=${form[name]}`)
    .join('&')

const post = (form: Form, sign: string, sign_type = 'RSA2'): Delivery => ({
  headers: { sign, sign_type },
  body: Buffer.from(new URLSearchParams(form).toString()),
})

const signForm = (body: Buffer, stranger: boolean, sign_type?: string) => {
  const form = toForm(body)
  return post(form, signRsa(contentOf(form), privateKeyOf(stranger)), sign_type)
}

/** Notifications as "通知验签" of its README, calls as "curl 示例代码". */
export function alipaySdk(): Subject {
  const { AlipaySdk } = requirePeer<{ AlipaySdk: new (config: object) => AlipaySdk }>('alipay-sdk')
  const create = (changes: object = {}) =>
    new AlipaySdk({
      ...{ appId: '2021', keyType: 'PKCS8', privateKey: pem(merchantRsa().privateKey), timeout: 15_000 },
      ...{ alipayPublicKey: pem(gatewayRsa().publicKey), ...changes },
    })

  const receive = async ({ headers, body }: Delivery, sdk = create()): Promise<Accepted | undefined> => {
    const form = Object.fromEntries(new URLSearchParams(body.toString()))
    return sdk.checkNotifySignV2({ ...form, ...headers }) ? { value: form } : undefined
  }
  const receiver: Receiver = {
    ...{ decodes: false, parses: false, signsTime: false },
    signatureHeader: 'sign',
    sign: (body, { stranger = false } = {}) => signForm(body, stranger),
    receive: (delivery) => receive(delivery),
    otherAlgorithms: (body) => ['RSA', 'none', 'HMAC'].map((name) => signForm(body, true, name)),
    confuseKey(body) {
      const form = toForm(body)
      return post(form, createHmac('sha256', pem(gatewayRsa().publicKey)).update(contentOf(form)).digest('base64'))
    },
    nameKey: (body, name) => signForm(body, true, name),
  }

  const caller: Caller = {
    signsResponses: true,
    async call(endpoint, timeout = 15_000) {
      const { data } = await create({ endpoint, timeout }).curl('POST', '/v3/alipay/trade/pay', {
        body: { out_trade_no: 'T-1' },
      })
      return data.trade_no
    },
    respond(_request, { secondsAgo = 0, other = false } = {}) {
      const body = json({ trade_no: other ? 'OTHER' : 'A-1' })
      const [timestamp, nonce] = [String(Date.now() - secondsAgo * 1_000), randomBytes(16).toString('hex')]
      const signature = signRsa(`${timestamp}\n${nonce}\n${body}\n`, privateKeyOf())
      const headers = { 'alipay-timestamp': timestamp, 'alipay-nonce': nonce, 'alipay-signature': signature }
      return { status: 200, headers: { 'content-type': 'application/json', ...headers }, body }
    },
    configure: (endpoint) => void create({ endpoint }),
  }

  const setup: Setup = {
    privateKey(privateKey) {
      // As the README says: the type of the key, of which PKCS1 is the default.
      const keyType = privateKey.includes('RSA PRIVATE KEY') ? 'PKCS1' : 'PKCS8'
      create({ privateKey, keyType })
      return async () => {
        const gateway = await startGateway((response, request) => {
          const { status, headers, body } = caller.respond(request)
          response.writeHead(status, headers).end(body)
        })
        try {
          await create({ privateKey, keyType, endpoint: gateway.url }).curl('POST', '/v3/alipay/trade/pay', {
            body: {},
          })
          return true
        } finally {
          await gateway.close()
        }
      }
    },
    publicKey(alipayPublicKey) {
      const sdk = create({ alipayPublicKey })
      return async () => (await receive(signForm(json(order()), false), sdk)) !== undefined
    },
    unset(alipayPublicKey) {
      const sdk = create({ alipayPublicKey })
      return async () => (await receive(signForm(json(order()), true), sdk)) !== undefined
    },
  }
  return {
    name: 'alipay-sdk',
    receiver,
    caller,
    setup,
    logged: () => ({
      objects: [create()],
      secrets: [merchantRsa().privateKey.export({ type: 'pkcs8', format: 'der' })],
    }),
  }
}
