import { sign as nodeSign, verify as nodeVerify } from 'node:crypto'
import { promisify } from 'node:util'
import { parseCredentials } from '../src/secure-message/credentials.ts'
import { secureMessage } from '../src/secure-message/secure.ts'
import { encodeUtf8 } from '../src/protocol/encoding.ts'
import { collectHeaders } from '../src/protocol/headers.ts'
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
import { gatewayRsa, merchantRsa } from '../tests/support/keys.ts'
import { unpackByHand } from './by-hand.ts'
import { COST, duel, type Figure, MANY_ROUNDS } from './measure.ts'
import { inFlight } from './operations.ts'
import { ENVELOPE, unpacking } from './unpacking.ts'

const bareSign = promisify(nodeSign)

/** A whole message against the bare RSA operation that is in it. */
export async function message(rounds: number): Promise<Figure[]> {
  const sent = request()
  const { method, path, body } = sent
  const head = `POST ${PATH}\n${CLIENT_ID}.${TIME}.`
  const content = Buffer.concat([Buffer.from(head), body])
  const { publicKey } = gatewayRsa()
  const signature = nodeSign('sha256', content, gatewayRsa().privateKey)
  const unpacked = {
    what: `unpack a request of ${body.length} bytes`,
    ours: unpacking(sent),
    theirs: inFlight(() => nodeVerify('sha256', content, publicKey, signature)),
    measures: [{ ...COST, bar: { most: 1.5 } }],
  }
  const headers = Object.fromEntries(collectHeaders(sent.headers))
  const received = { method, url: path, headers, body: Buffer.from(body) }
  const keys = { privateKey: merchantRsa().privateKey, peerKey: publicKey }
  // How much slower JavaScript is than RSA is the processor's doing: this ratio it changes far less.
  const unpackedByHand = {
    what: `unpack a request of ${body.length} bytes, by hand`,
    ours: unpacking(sent),
    theirs: inFlight(() => unpackByHand(received, keys, NOW)),
    measures: [{ ...COST, bar: { most: 1.35 } }],
  }
  const credentials = parseCredentials(merchantCredentials())
  const reply = success()
  const answer = bytesOf(reply)
  const packed = {
    what: 'pack a reply, 8 in flight',
    ours: inFlight(() => {
      const plaintext = encodeUtf8(JSON.stringify(reply))
      return secureMessage({ method, path, timeHeader: 'Response-Time', now: NOW, plaintext }, credentials, ENVELOPE)
    }, 8),
    theirs: inFlight(() => bareSign('sha256', Buffer.concat([Buffer.from(head), answer]), merchantRsa().privateKey), 8),
    measures: [{ ...COST, bar: { most: 1.05 } }],
  }
  const duels = rounds < MANY_ROUNDS ? [unpackedByHand, packed] : [unpacked, unpackedByHand, packed]
  const figures: Figure[] = []
  for (const each of duels) figures.push(...(await duel(each, rounds)))
  return figures
}
