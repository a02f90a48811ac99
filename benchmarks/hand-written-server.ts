import {
  constants,
  createCipheriv,
  createDecipheriv,
  createVerify,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  sign as signSync,
  verify as verifyNode,
} from 'node:crypto'
import type { IncomingMessage, RequestListener } from 'node:http'
import { promisify } from 'node:util'
import { CLIENT_ID } from '../tests/support/messages.ts'
import { type MerchantKeys, TOLERANCE_SECONDS } from './scenarios.ts'

const signOnPool = promisify(signSync)
const verifyOnPool = promisify(verifyNode)

/** Where the hand-written server signs. */
export type SigningThread = 'thread pool' | 'event loop'

/**
 * Hand-written code of an expert: keys parsed once, the body hashed in pieces, signing on the thread pool. It has no
 * validation, store, limits or deadline, and does not sign errors.
 */
export function createHandWrittenListener(keys: MerchantKeys, signOn: SigningThread = 'thread pool'): RequestListener {
  return async (request, response) => {
    try {
      const { headers, body } = await respond(request, keys, signOn)
      response.writeHead(200, { ...headers, 'Content-Length': body.length })
      response.end(body)
    } catch {
      response.writeHead(400)
      response.end()
    }
  }
}

async function respond(request: IncomingMessage, keys: MerchantKeys, signOn: SigningThread) {
  const { method, url, headers } = request
  const received = await readBody(request)
  const { order, algorithm, encrypt } = await verifyHandWritten({ method, url, headers, body: received }, keys)
  const plaintext = Buffer.from(
    JSON.stringify({
      result: { resultCode: 'SUCCESS', resultStatus: 'S', resultMessage: 'success' },
      orderId: `A-${order.merchantBizNo}`,
    }),
  )
  const encrypted = encrypt === undefined ? undefined : encryptBody(plaintext, keys.peerKey)
  const body = encrypted?.body ?? plaintext
  const responseTime = new Date().toISOString()
  const content = Buffer.concat([Buffer.from(`${method} ${url}\n${CLIENT_ID}.${responseTime}.`), body])
  const signature =
    signOn === 'thread pool'
      ? await signOnPool('sha256', content, keys.privateKey)
      : signSync('sha256', content, keys.privateKey)
  return {
    headers: {
      'Client-Id': CLIENT_ID,
      'Content-Type': 'application/json; charset=UTF-8',
      'Response-Time': responseTime,
      Signature: `algorithm=${algorithm},keyVersion=1,signature=${encodeURIComponent(signature.toString('base64'))}`,
      ...(encrypted && { Encrypt: encrypted.encrypt }),
    },
    body,
  }
}

interface Received extends Pick<IncomingMessage, 'method' | 'url' | 'headers'> {
  readonly body: Buffer
}

/** Verifies and decrypts a request, and parses the order. */
export async function verifyHandWritten(
  { method, url, headers, body }: Received,
  keys: MerchantKeys,
  now = Date.now(),
) {
  const encrypt = headers['encrypt'] as string | undefined
  const time = String(headers['request-time'])
  if (headers['client-id'] !== CLIENT_ID || Math.abs(now - Date.parse(time)) > TOLERANCE_SECONDS * 1_000) {
    throw new Error('The caller is unknown, or the request is too old')
  }
  const { algorithm, signature = '' } = parseHeader(String(headers['signature']))
  const head = `${method} ${url}\n${CLIENT_ID}.${time}.`
  const isValid = await verify(algorithm, head, body, keys.peerKey, Buffer.from(signature, 'base64'))
  if (!isValid) throw new Error('The signature is invalid')
  const plaintext = encrypt ? decryptBody(encrypt, body, keys.privateKey) : body
  const order = JSON.parse(String(plaintext)) as { merchantBizNo: string }
  return { order, algorithm, encrypt }
}

async function verify(algorithm: string | undefined, head: string, body: Buffer, key: KeyObject, signature: Buffer) {
  return algorithm === 'ECC224'
    ? await verifyOnPool('sha256', Buffer.concat([Buffer.from(head), body]), key, signature)
    : createVerify('sha256').update(head).update(body).verify(key, signature)
}

const parseHeader = (header: string): Record<string, string> =>
  Object.fromEntries(
    header.split(',').map((pair) => {
      const at = pair.indexOf('=')
      return [pair.slice(0, at), decodeURIComponent(pair.slice(at + 1))]
    }),
  )

function decryptBody(encrypt: string, body: Buffer, key: KeyObject): Buffer {
  const wrapped = Buffer.from(parseHeader(encrypt)['symmetricKey'] ?? '', 'base64')
  // Node 20 refuses PKCS#1 padding here, so the padding is removed without OpenSSL.
  const block = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, wrapped)
  const aesKey = block.subarray(block.indexOf(0, 2) + 1)
  const decipher = createDecipheriv(`aes-${aesKey.length * 8}-ecb`, aesKey, null)
  return Buffer.concat([decipher.update(body.toString('latin1'), 'base64'), decipher.final()])
}

function encryptBody(plaintext: Buffer, key: KeyObject): { body: Buffer; encrypt: string } {
  const aesKey = randomBytes(32)
  const cipher = createCipheriv('aes-256-ecb', aesKey, null)
  const body = Buffer.from(Buffer.concat([cipher.update(plaintext), cipher.final()]).toString('base64'))
  const wrapped = publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, aesKey).toString('base64')
  return { body, encrypt: `algorithm=RSA_AES,keyVersion=1,symmetricKey=${encodeURIComponent(wrapped)}` }
}

function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)))
    request.on('error', reject)
  })
}
