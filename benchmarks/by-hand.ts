import {
  constants,
  createCipheriv,
  createDecipheriv,
  createVerify,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  sign as signNow,
  verify as verifyNow,
} from 'node:crypto'
import type { IncomingMessage, RequestListener } from 'node:http'
import { promisify } from 'node:util'
import { CLIENT_ID } from '../tests/support/messages.ts'
import { type MerchantKeys, TOLERANCE_SECONDS } from './traffic.ts'

const signOnPool = promisify(signNow)
const verifyOnPool = promisify(verifyNow)

/**
 * What somebody would write by hand who knows how to write it: keys parsed once, the body hashed in pieces, signing on
 * the thread pool. Nothing is validated, nothing remembered, and an error is not signed.
 */
export function serveByHand(keys: MerchantKeys, signsOn: 'pool' | 'main thread' = 'pool'): RequestListener {
  return async (request, response) => {
    try {
      const { headers, body } = await answerByHand(request, keys, signsOn)
      response.writeHead(200, { ...headers, 'Content-Length': body.length })
      response.end(body)
    } catch {
      response.writeHead(400)
      response.end()
    }
  }
}

async function answerByHand(request: IncomingMessage, keys: MerchantKeys, signsOn: 'pool' | 'main thread') {
  const { method, url, headers } = request
  const body = await readAll(request)
  const { order, algorithm, encrypt } = await unpackByHand({ method, url, headers, body }, keys)
  const reply = Buffer.from(
    JSON.stringify({
      result: { resultCode: 'SUCCESS', resultStatus: 'S', resultMessage: 'success' },
      orderId: `A-${order.merchantBizNo}`,
    }),
  )
  const sealed = encrypt === undefined ? undefined : seal(reply, keys.peerKey)
  const answer = sealed?.body ?? reply
  const responseTime = new Date().toISOString()
  const content = Buffer.concat([Buffer.from(`${method} ${url}\n${CLIENT_ID}.${responseTime}.`), answer])
  const signed =
    signsOn === 'pool'
      ? await signOnPool('sha256', content, keys.privateKey)
      : signNow('sha256', content, keys.privateKey)
  return {
    headers: {
      'Client-Id': CLIENT_ID,
      'Content-Type': 'application/json; charset=UTF-8',
      'Response-Time': responseTime,
      Signature: `algorithm=${algorithm},keyVersion=1,signature=${encodeURIComponent(signed.toString('base64'))}`,
      ...(sealed && { Encrypt: sealed.encrypt }),
    },
    body: answer,
  }
}

interface Received extends Pick<IncomingMessage, 'method' | 'url' | 'headers'> {
  readonly body: Buffer
}

/** From the request to the order. */
export async function unpackByHand({ method, url, headers, body }: Received, keys: MerchantKeys, now = Date.now()) {
  const encrypt = headers['encrypt'] as string | undefined
  const time = String(headers['request-time'])
  if (headers['client-id'] !== CLIENT_ID || Math.abs(now - Date.parse(time)) > TOLERANCE_SECONDS * 1_000)
    throw new Error()
  const { algorithm, signature = '' } = parsePairs(String(headers['signature']))
  const head = `${method} ${url}\n${CLIENT_ID}.${time}.`
  const verified = await verify(algorithm, head, body, keys.peerKey, Buffer.from(signature, 'base64'))
  if (!verified) throw new Error()
  const order = JSON.parse(String(encrypt ? open(encrypt, body, keys.privateKey) : body)) as { merchantBizNo: string }
  return { order, algorithm, encrypt }
}

async function verify(algorithm: string | undefined, head: string, body: Buffer, key: KeyObject, signature: Buffer) {
  return algorithm === 'ECC224'
    ? await verifyOnPool('sha256', Buffer.concat([Buffer.from(head), body]), key, signature)
    : createVerify('sha256').update(head).update(body).verify(key, signature)
}

const parsePairs = (header: string): Record<string, string> =>
  Object.fromEntries(
    header.split(',').map((pair) => {
      const at = pair.indexOf('=')
      return [pair.slice(0, at), decodeURIComponent(pair.slice(at + 1))]
    }),
  )

function open(encrypt: string, body: Buffer, key: KeyObject): Buffer {
  const wrapped = Buffer.from(parsePairs(encrypt)['symmetricKey'] ?? '', 'base64')
  // Node 20 refuses PKCS#1 padding here: it is taken off by hand.
  const block = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, wrapped)
  const aesKey = block.subarray(block.indexOf(0, 2) + 1)
  const decipher = createDecipheriv(`aes-${aesKey.length * 8}-ecb`, aesKey, null)
  return Buffer.concat([decipher.update(body.toString('latin1'), 'base64'), decipher.final()])
}

function seal(plaintext: Buffer, key: KeyObject): { body: Buffer; encrypt: string } {
  const aesKey = randomBytes(32)
  const cipher = createCipheriv('aes-256-ecb', aesKey, null)
  const body = Buffer.from(Buffer.concat([cipher.update(plaintext), cipher.final()]).toString('base64'))
  const wrapped = publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, aesKey).toString('base64')
  return { body, encrypt: `algorithm=RSA_AES,keyVersion=1,symmetricKey=${encodeURIComponent(wrapped)}` }
}

function readAll(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)))
    request.on('error', reject)
  })
}
