import { createHmac } from 'node:crypto'
import express from 'express'
import { expressOrderSync } from '../../../src/public/express.ts'
import {
  createOrderSyncClient,
  createOrderSyncHandler,
  type HandlerOptions,
  memoryStore,
  type OrderInput,
} from '../../../src/public/index.ts'
import { createOrderSyncServer } from '../../../src/public/node.ts'
import { listen, send } from '../../../tests/support/http.ts'
import { gatewayRsa, merchantRsa, pem, strangerRsa } from '../../../tests/support/keys.ts'
import {
  CLIENT_ID,
  isSignedBy,
  merchantCredentials,
  messageOf,
  NOW,
  order,
  PATH,
  type RequestParts,
  request,
  signedResponse,
  success,
} from '../../../tests/support/messages.ts'
import { timeText } from './keys.ts'
import type { Accepted, Caller, Cipher, Delivery, Endpoint, Once, Receiver, Setup, Subject } from './subject.ts'

const minutes = 60_000

/** A handler that remembers nothing of another one, and what its application got. */
function merchant(options: Partial<HandlerOptions> = {}) {
  const seen: Accepted[] = []
  const codes: (string | undefined)[] = []
  const handler = createOrderSyncHandler({
    credentials: merchantCredentials(),
    store: memoryStore(),
    onOrder(value, { agentToken }) {
      seen.push({ value, header: agentToken })
      return { orderId: 'A-1' }
    },
    onEvent: (event) => void codes.push('code' in event ? event.code : undefined),
    ...options,
  })
  return { handler, seen, codes }
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value))

const toDelivery = ({ headers, body }: ReturnType<typeof request>): Delivery => ({ headers, body: Buffer.from(body) })

const signed = (body: Buffer, parts: RequestParts = {}) =>
  toDelivery(request({ message: body, time: timeText(Date.now()), ...parts }))

const receive = async (delivery: Delivery, path = PATH, options: Partial<HandlerOptions> = {}) => {
  const { handler, seen } = merchant(options)
  await handler({ method: 'POST', path, ...delivery })
  return seen[0]
}

const receiver: Receiver = {
  ...{ decodes: true, parses: true, signsTime: true },
  signatureHeader: 'Signature',
  timeHeader: 'Request-Time',
  readHeader: 'Agent-Token',
  sign(body, { secondsAgo = 0, stranger = false } = {}) {
    const key = stranger ? strangerRsa().privateKey : gatewayRsa().privateKey
    const { headers } = signed(body, { time: timeText(Date.now() - secondsAgo * 1_000), key })
    return { headers: { ...headers, 'Agent-Token': 'AGENT-1' }, body }
  },
  receive,
  receiveElsewhere: (delivery) => receive(delivery, '/api/open/alipay/v1/merchant/order/refund'),
  async receiveParsed(delivery) {
    const { handler, seen, codes } = merchant()
    const app = express()
    app.use(express.json())
    app.post(PATH, expressOrderSync(handler))
    const server = await listen(app.listen(0, '127.0.0.1'))
    try {
      await send(server.port, { method: 'POST', path: PATH, ...delivery })
      return seen[0] ?? codes.join()
    } finally {
      await server.close()
    }
  },
  async countRuns(delivery) {
    const { handler, seen } = merchant()
    for (const _ of [1, 2]) await handler({ method: 'POST', path: PATH, ...delivery })
    return seen.length
  },
  otherAlgorithms(body) {
    const stranger = signed(body, { key: strangerRsa().privateKey })
    const [, value = ''] = /(?<=signature=)(.*)$/.exec(stranger.headers['Signature'] ?? '') ?? []
    return ['none', 'ECC224', 'HS256', 'RSA1'].map((algorithm) => ({
      ...stranger,
      headers: { ...stranger.headers, Signature: `algorithm=${algorithm},keyVersion=1,signature=${value}` },
    }))
  },
  confuseKey(body) {
    const { headers } = signed(body)
    const content = Buffer.concat([Buffer.from(`POST ${PATH}\n${CLIENT_ID}.${headers['Request-Time']}.`), body])
    const value = createHmac('sha256', pem(gatewayRsa().publicKey)).update(content).digest('base64')
    return { headers: { ...headers, Signature: `algorithm=RSA256,signature=${encodeURIComponent(value)}` }, body }
  },
  nameKey: (body, keyVersion) => signed(body, { key: strangerRsa().privateKey, keyVersion }),
  async rotate(body) {
    const peerPublicKeys = { 1: gatewayRsa().publicKey, 2: strangerRsa().publicKey }
    const without = (key: typeof strangerRsa) => {
      const { headers } = signed(body, { key: key().privateKey })
      return { headers: { ...headers, Signature: (headers['Signature'] ?? '').replace('keyVersion=1,', '') }, body }
    }
    const options = { credentials: { ...merchantCredentials(), peerPublicKeys } }
    return {
      byOldKey: await receive(without(gatewayRsa), PATH, options),
      byNewKey: await receive(without(strangerRsa), PATH, options),
    }
  },
}

function once(): Once {
  let offset = 0
  let isBroken = false
  const now = () => Date.now() + offset
  const memory = memoryStore({ now })
  const store: typeof memory = {
    ...memory,
    claim: (...delivery) => (isBroken ? Promise.reject(new Error('connection refused')) : memory.claim(...delivery)),
  }
  return {
    ...{ ordersEvents: true, takesOver: true, storesFailures: false },
    async deliver({ key, content, minute }, effect) {
      // A handler of its own, as in another process.
      const { handler } = merchant({
        ...{ store, now, timeoutMs: 15_000, leaseMs: 20_000 },
        onOrder: async () => ({ orderId: await effect() }),
      })
      const { status: orderStatus = 'PAID', ...extInfo } = content
      const message = order({
        requestId: key,
        merchantBizNo: minute === undefined ? key : 'BIZ-1',
        orderModifyTime: NOW + (minute ?? 0) * minutes,
        orderStatus,
        extInfo,
      })
      // The key order of the content is that of the message: a sender that serializes it again changes it.
      const ordered = { ...content, ...message, extInfo }
      const response = await handler({
        method: 'POST',
        path: PATH,
        ...signed(json(ordered), { time: timeText(now()) }),
      })
      const { result, orderId } = messageOf(response) as { result: { resultCode: string }; orderId?: string }
      if (orderId === undefined) throw new Error(result.resultCode)
      return orderId
    },
    pass(milliseconds) {
      offset += milliseconds
    },
    breakStore() {
      isBroken = true
    },
  }
}

const ORDER: OrderInput = {
  tradeNo: 'T-1',
  merchantBizNo: 'BIZ-1',
  orderStatus: 'PAID',
  orderCreateTime: Date.now() - minutes,
  orderModifyTime: Date.now(),
  userId: 'USER-1',
  extInfo: {},
}

const clientFor = (url: string, timeoutMs = 15_000) =>
  createOrderSyncClient({
    ...{ credentials: merchantCredentials(), url, timeoutMs, retries: 1, baseDelayMs: 1 },
    onEvent: () => {},
  })

const caller: Caller = {
  signsResponses: true,
  call: (origin, timeoutMs) => clientFor(origin, timeoutMs).syncOrder(ORDER),
  respond({ path }, { secondsAgo = 0, other = false } = {}) {
    const time = timeText(Date.now() - secondsAgo * 1_000)
    const { headers, body } = signedResponse(success(other ? 'OTHER' : 'A-1'), { path, time })
    return { status: 200, headers, body: Buffer.from(body) }
  },
  retryId: (_request, body) => (JSON.parse(body.toString()) as { requestId: string }).requestId,
  configure: (url) => void clientFor(url),
}

const encryptedTo = (body: Buffer) => signed(body, { encryptTo: merchantRsa().publicKey })

const cipher: Cipher = {
  isRandomized: true,
  async encrypt(text) {
    const received: Buffer[] = []
    const client = createOrderSyncClient({
      ...{
        credentials: merchantCredentials(),
        url: 'http://127.0.0.1:9/',
        encrypt: true,
        retries: 0,
        onEvent: () => {},
      },
      async fetch(_url, init) {
        received.push(Buffer.from(await new Response(init?.body ?? null).arrayBuffer()))
        throw new Error('not sent')
      },
    })
    await client.syncOrder({ ...ORDER, requestId: 'R-1', extInfo: { text } }).catch(() => {})
    return { ciphertext: Buffer.from(received[0]?.toString() ?? '', 'base64') }
  },
  async roundTrip(text, flip) {
    const { headers, body } = encryptedTo(json(order({ extInfo: { text } })))
    const ciphertext = Buffer.from(body.toString(), 'base64')
    // A bit of the first block.
    if (flip) ciphertext[0] = (ciphertext[0] ?? 0) ^ 1
    const accepted = await receive({ headers, body: Buffer.from(ciphertext.toString('base64')) })
    if (accepted === undefined) throw new Error('rejected')
    return (accepted.value as { extInfo: { text: string } }).extInfo.text
  },
}

/** Creates a handler, then lets it receive a genuine request and sign its response. */
function handlerWith(changes: object): () => Promise<boolean> {
  const { handler } = merchant({ credentials: { ...merchantCredentials(), ...changes } })
  return async () => {
    const response = await handler({ method: 'POST', path: PATH, ...signed(json(order())) })
    return response.status === 200 && isSignedBy(response, merchantRsa().publicKey)
  }
}

const setup: Setup = {
  privateKey: (text) => handlerWith({ privateKeys: { 1: text } }),
  publicKey: (text) => handlerWith({ peerPublicKeys: { 1: text } }),
  unset(key) {
    const credentials = { ...merchantCredentials(), peerPublicKeys: { 1: key } } as never
    const options = { credentials }
    merchant(options)
    return async () =>
      (await receive(signed(json(order()), { key: strangerRsa().privateKey }), PATH, options)) !== undefined
  },
}

const endpoint: Endpoint = {
  async listen(onMessage) {
    const { handler } = merchant({
      ...{ bodyTimeoutMs: 300, timeoutMs: 500 },
      onOrder: async () => {
        await onMessage()
        return { orderId: 'A-1' }
      },
    })
    return listen(createOrderSyncServer(handler))
  },
  message: async (stranger) => ({ path: PATH, ...(await receiver.sign(json(order()), { stranger })) }),
  responds: true,
  limitsBodyTime: true,
}

/** This library: the sources that the package is built from, through its entry points. */
export const ours: Subject = {
  name: 'this library',
  receiver,
  once,
  caller,
  cipher,
  setup,
  endpoint,
  logged() {
    const credentials = merchantCredentials()
    return {
      objects: [merchant().handler, clientFor('http://127.0.0.1:9/')],
      secrets: [credentials.privateKeys[1].export({ type: 'pkcs8', format: 'der' })],
    }
  },
}
