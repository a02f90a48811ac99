import {
  constants,
  createCipheriv,
  createDecipheriv,
  createSign,
  createVerify,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  randomUUID,
} from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { ORDER_SYNC_PATH } from '../../../src/protocol/endpoint.ts'
import { createTestKeys } from '../../../src/public/testing.ts'

/** One mistake of a hand-written endpoint. */
export type Mistake =
  | 'believes every signature'
  | 'believes what has no signature'
  | 'ignores the time'
  | 'verifies JSON that it has written again'
  | 'knows one key'
  | 'takes any key version'
  | 'responds unsigned'
  | 'signs another path'
  | 'signs before it formats'
  | 'sends the time of the request'
  | 'forgets the Client-Id'
  | 'refuses unknown fields'
  | 'processes duplicates again'
  | 'processes older events'
  | 'refuses duplicates'
  | 'believes a changed request'
  | 'remembers forged requests'
  | 'claims nothing'
  | 'responds in the clear to encrypted requests'
  | 'tells decryption errors apart'
  | 'responds with 500 to invalid orders'
  | 'signs refusals'
  | 'never responds'
  | 'leaves the orderId out'

interface Known {
  orderId: string
  time: number
}

/** An endpoint that somebody has written by hand, right except for its mistakes. It shares no code with the library. */
export async function startEndpoint(...mistakes: readonly Mistake[]): Promise<string> {
  const has = (mistake: Mistake) => mistakes.includes(mistake)
  const { merchant, peer, stranger } = createTestKeys()
  const peerKeys: Record<string, string> = {
    1: peer.publicKey,
    ...(!has('knows one key') && { 2: stranger.publicKey }),
  }
  const orders = new Map<string, Known>()
  const requests = new Map<string, { content: string; orderId: string }>()
  const forged = new Set<string>()

  const decrypt = (symmetricKey: string, body: Buffer) => {
    // Node 20 refuses the padding of the protocol: it is removed by hand.
    const wrapped = Buffer.from(decodeURIComponent(symmetricKey), 'base64')
    const block = privateDecrypt({ key: merchant.privateKey, padding: constants.RSA_NO_PADDING }, wrapped)
    const key = block.subarray(block.indexOf(0, 2) + 1)
    if (block[0] !== 0 || block[1] !== 2 || ![16, 24, 32].includes(key.length)) throw new Error('padding')
    const decipher = createDecipheriv(`aes-${key.length * 8}-ecb`, key, null)
    return Buffer.concat([decipher.update(Buffer.from(body.toString(), 'base64')), decipher.final()])
  }

  const server = createServer((request, response) => void respond(request, response).catch(() => response.destroy()))

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (has('never responds')) return
    if (request.method !== 'POST') return void response.writeHead(405).end()
    if (Number(request.headers['content-length']) > 1_048_576) {
      return void response.writeHead(413, { Connection: 'close' }).end('{}')
    }
    const body = await buffer(request)
    const { url: path = '', headers } = request
    const header = (name: string) => String(headers[name] ?? '')
    const pairs = (name: string) =>
      Object.fromEntries(
        header(name)
          .split(',')
          .map((pair) => pair.trim().split(/=(.*)/s).slice(0, 2)),
      )
    const respond = (status: number, result: object, { sign = status === 200, encrypt = false } = {}) => {
      let text = Buffer.from(JSON.stringify(result))
      const extra: Record<string, string> = { 'Content-Type': 'application/json; charset=UTF-8' }
      if (encrypt && !has('responds in the clear to encrypted requests')) {
        const key = randomBytes(32)
        const cipher = createCipheriv('aes-256-ecb', key, null)
        text = Buffer.from(Buffer.concat([cipher.update(text), cipher.final()]).toString('base64'))
        const wrapped = publicEncrypt({ key: peer.publicKey, padding: constants.RSA_PKCS1_PADDING }, key)
        extra['Encrypt'] =
          `algorithm=RSA_AES,keyVersion=1,symmetricKey=${encodeURIComponent(wrapped.toString('base64'))}`
        extra['Content-Type'] = 'text/plain; charset=UTF-8'
      }
      if (sign && !has('responds unsigned')) {
        const time = has('sends the time of the request') ? '2024-05-22T09:12:21+08:00' : new Date().toISOString()
        const signedPath = has('signs another path') ? path.replace('/api', '') : path
        const signer = createSign('RSA-SHA256').update(`POST ${signedPath}\nTEST-CLIENT.${time}.`).update(text)
        const signature = encodeURIComponent(signer.sign(merchant.privateKey, 'base64'))
        if (has('signs before it formats')) text = Buffer.from(JSON.stringify(result, null, 2))
        Object.assign(extra, {
          'Response-Time': time,
          Signature: `algorithm=RSA256,keyVersion=1,signature=${signature}`,
        })
        if (!has('forgets the Client-Id')) extra['Client-Id'] = 'TEST-CLIENT'
      }
      response.writeHead(status, { ...extra, 'Content-Length': text.length }).end(text)
    }
    const result = (resultStatus: string, resultCode: string, more = {}) => ({
      result: { resultStatus, resultCode, resultMessage: resultCode },
      ...more,
    })
    const refuse = (status: number, code: string) => {
      respond(has('signs refusals') ? 200 : status, result('F', code))
    }
    if (!/json|text\/plain/.test(header('content-type'))) return refuse(415, 'MEDIA_TYPE_NOT_ACCEPTABLE')
    if (header('client-id') !== 'TEST-CLIENT') return refuse(401, 'INVALID_CLIENT')

    const { algorithm, keyVersion, signature = '' } = pairs('signature')
    const isUnsigned = !headers['signature']
    const time = header('request-time')
    const sentAt = /^\d+$/.test(time) ? Number(time) : Date.parse(time)
    const isFresh = Math.abs(Date.now() - sentAt) < 300_000 || has('ignores the time')
    const key =
      peerKeys[keyVersion ?? Math.max(...Object.keys(peerKeys).map(Number))] ??
      (has('takes any key version') ? peer.publicKey : undefined)
    const signedBody = has('verifies JSON that it has written again')
      ? Buffer.from(JSON.stringify(JSON.parse(body.toString())))
      : body
    const isValid =
      key !== undefined &&
      algorithm === 'RSA256' &&
      createVerify('RSA-SHA256')
        .update(`POST ${path}\nTEST-CLIENT.${time}.`)
        .update(signedBody)
        .verify(key, decodeURIComponent(signature), 'base64')
    const isBelieved = isUnsigned ? has('believes what has no signature') : isValid || has('believes every signature')
    if (!isBelieved || !isFresh) {
      if (has('remembers forged requests')) forged.add(/"requestId":"([^"]*)"/.exec(body.toString())?.[1] ?? '')
      return refuse(401, 'INVALID_SIGNATURE')
    }

    const isEncrypted = headers['encrypt'] !== undefined
    const respondVerified = (value: object) => respond(200, value, { encrypt: isEncrypted })
    let content: string
    try {
      content = (isEncrypted ? decrypt(pairs('encrypt')['symmetricKey'], body) : body).toString()
    } catch (error) {
      const isPadding = has('tells decryption errors apart') && String(error) === 'Error: padding'
      return respondVerified(result('F', isPadding ? 'KEY_NOT_FOUND' : 'PARAM_ILLEGAL'))
    }
    let order: Record<string, unknown>
    try {
      order = JSON.parse(content)
    } catch {
      return has('responds with 500 to invalid orders')
        ? refuse(500, 'UNKNOWN_EXCEPTION')
        : respondVerified(result('F', 'PARAM_ILLEGAL'))
    }
    const { requestId, merchantBizNo, orderModifyTime, orderStatus } = order as Record<string, string>
    const isInvalid =
      Array.isArray(order) ||
      !orderStatus ||
      /"orderStatus".*"orderStatus"/s.test(content) ||
      content.length > 100_000 ||
      content.includes('[[[[')
    if (isInvalid && has('responds with 500 to invalid orders')) return refuse(500, 'UNKNOWN_EXCEPTION')
    if (isInvalid) return respondVerified(result('F', 'PARAM_ILLEGAL'))
    if (has('refuses unknown fields') && 'newField' in order) return respondVerified(result('F', 'PARAM_ILLEGAL'))

    const success = (orderId: string) =>
      respondVerified(result('S', 'SUCCESS', has('leaves the orderId out') ? {} : { orderId }))
    const id = String(requestId)
    if (forged.has(id)) return respondVerified(result('F', 'PROCESS_FAIL'))
    const canonical = JSON.stringify(order)
    const known = requests.get(id)
    if (known !== undefined && !has('processes duplicates again')) {
      if (has('refuses duplicates')) return respondVerified(result('F', 'PROCESS_FAIL'))
      if (known.content !== canonical && !has('believes a changed request'))
        return respondVerified(result('F', 'REPEAT_REQ_INCONSISTENT'))
      return success(known.orderId)
    }
    const before = orders.get(String(merchantBizNo))
    const eventTime = Number(orderModifyTime)
    if (
      before !== undefined &&
      before.time >= eventTime &&
      !has('processes older events') &&
      !has('processes duplicates again')
    ) {
      return success(before.orderId)
    }
    const orderId = randomUUID()
    // Without a claim, copies that arrive in the meantime are processed too.
    if (has('claims nothing')) await new Promise((resolve) => setTimeout(resolve, 50))
    orders.set(String(merchantBizNo), { orderId, time: eventTime })
    requests.set(id, { content: canonical, orderId })
    return success(orderId)
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${ORDER_SYNC_PATH}`
}
