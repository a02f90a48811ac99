import { sign as nodeSign, verify as nodeVerify } from 'node:crypto'
import { promisify } from 'node:util'
import { encodeUtf8 } from '../src/protocol/encoding.ts'
import { collectHeaders } from '../src/protocol/headers.ts'
import { parseCredentials } from '../src/secure-message/credentials.ts'
import { secureMessage } from '../src/secure-message/secure.ts'
import { gatewayRsa, merchantRsa } from '../tests/support/keys.ts'
import {
  bytesOf,
  CLIENT_ID,
  merchantCredentials,
  NOW,
  PATH,
  request,
  success,
  TIME,
} from '../tests/support/messages.ts'
import { runInFlight } from './contenders.ts'
import { verifyHandWritten } from './hand-written-server.ts'
import { COST, type Comparison, compare, type Figure, MANY_ROUNDS } from './measure.ts'
import { ENCRYPTION, orderVerification } from './verify-order.ts'

const signOnPool = promisify(nodeSign)

/** Compares a complete message with the RSA operation in it, and with hand-written code. */
export async function message(rounds: number): Promise<Figure[]> {
  const received = request()
  const { method, path, headers, body } = received
  const head = `POST ${PATH}\n${CLIENT_ID}.${TIME}.`
  const content = Buffer.concat([Buffer.from(head), body])
  const { publicKey } = gatewayRsa()
  const signature = nodeSign('sha256', content, gatewayRsa().privateKey)
  const verify: Comparison = {
    what: `verify a message of ${body.length} bytes`,
    ours: orderVerification(received),
    theirs: runInFlight(() => nodeVerify('sha256', content, publicKey, signature)),
    measures: [{ ...COST, bar: { most: 1.6 } }],
  }
  const keys = { privateKey: merchantRsa().privateKey, peerKey: publicKey }
  const nodeHeaders = Object.fromEntries(collectHeaders(headers))
  const nodeRequest = { method, url: path, headers: nodeHeaders, body: Buffer.from(body) }
  // The processor decides how much slower JavaScript is than RSA. It changes this ratio far less.
  const verifyAndHandWritten: Comparison = {
    what: `verify a message of ${body.length} bytes, hand-written`,
    ours: orderVerification(received),
    theirs: runInFlight(() => verifyHandWritten(nodeRequest, keys, NOW)),
    measures: [{ ...COST, bar: { most: 1.35 } }],
  }
  const credentials = parseCredentials(merchantCredentials())
  const response = success()
  const responseBody = bytesOf(response)
  const secure: Comparison = {
    what: 'secure a response, 8 in flight',
    ours: runInFlight(() => {
      const plaintext = encodeUtf8(JSON.stringify(response))
      return secureMessage({ kind: 'response', method, path, now: NOW, plaintext }, credentials, ENCRYPTION)
    }, 8),
    theirs: runInFlight(
      () => signOnPool('sha256', Buffer.concat([Buffer.from(head), responseBody]), merchantRsa().privateKey),
      8,
    ),
    measures: [{ ...COST, bar: { most: 1.05 } }],
  }
  const comparisons = rounds < MANY_ROUNDS ? [verifyAndHandWritten, secure] : [verify, verifyAndHandWritten, secure]
  const figures: Figure[] = []
  for (const comparison of comparisons) figures.push(...(await compare(comparison, rounds)))
  return figures
}
