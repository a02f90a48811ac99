import {
  constants,
  createCipheriv,
  createDecipheriv,
  sign as nodeSign,
  verify as nodeVerify,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'
import { promisify } from 'node:util'
import { open, parsePrivateKey, parsePublicKey, seal, sign, signedContent, verify } from 'alipayhk-order-sync'
import { bytesOf, CLIENT_ID, order, PATH, TIME } from '../tests/support/messages.ts'
import { gatewayEcc, gatewayRsa, merchantRsa } from '../tests/support/keys.ts'
import { duel, type Figure, SPEED } from './measure.ts'
import { inFlight, serially } from './operations.ts'

const bareSign = promisify(nodeSign)
const bareVerify = promisify(nodeVerify)

/** Ours against bare node:crypto with a KeyObject, doing the same bytes in the same way. */
export async function primitives(rounds: number): Promise<Figure[]> {
  const body = bytesOf(order())
  const content = signedContent({ method: 'POST', path: PATH, clientId: CLIENT_ID, time: TIME }, body)
  const joined = Buffer.concat([Buffer.from(content.head), body])
  const figures: Figure[] = []
  for (const [name, { privateKey, publicKey }] of Object.entries({ RSA256: gatewayRsa(), ECC224: gatewayEcc() })) {
    const [signingKey, verifyingKey] = [parsePrivateKey(privateKey), parsePublicKey(publicKey)]
    const signature = nodeSign('sha256', joined, privateKey)
    const signing = {
      what: `sign ${name}, 8 in flight`,
      ours: inFlight(() => sign(signingKey, content), 8),
      theirs: inFlight(() => bareSign('sha256', joined, privateKey), 8),
      measures: [{ ...SPEED, bar: { least: 0.97 } }],
    }
    const verifying = {
      what: `verify ${name}`,
      ours: inFlight(() => verify(verifyingKey, content, signature)),
      theirs:
        name === 'RSA256'
          ? serially(() => nodeVerify('sha256', joined, publicKey, signature))
          : inFlight(() => bareVerify('sha256', joined, publicKey, signature)),
      measures: [{ ...SPEED, bar: { least: 0.88 } }],
    }
    figures.push(...(await duel(signing, rounds)), ...(await duel(verifying, rounds)))
  }
  const { privateKey, publicKey } = merchantRsa()
  const [decryptionKey, encryptionKey] = [parsePrivateKey(privateKey), parsePublicKey(publicKey)]
  const sealed = seal(body, encryptionKey)
  const sealing = {
    what: 'seal',
    ours: serially(() => seal(body, encryptionKey)),
    theirs: serially(() => {
      const aesKey = randomBytes(32)
      const cipher = createCipheriv('aes-256-ecb', aesKey, null)
      Buffer.from(Buffer.concat([cipher.update(body), cipher.final()]).toString('base64'))
      publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, aesKey)
    }),
    measures: [{ ...SPEED, bar: { least: 0.9 } }],
  }
  const opening = {
    what: 'open',
    ours: inFlight(() => open(sealed, decryptionKey)),
    theirs: serially(() => {
      const block = privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, sealed.symmetricKey)
      const decipher = createDecipheriv('aes-256-ecb', block.subarray(-32), null)
      const ciphertext = Buffer.from(Buffer.from(sealed.body).toString('latin1'), 'base64')
      return Buffer.concat([decipher.update(ciphertext), decipher.final()])
    }),
    measures: [{ ...SPEED, bar: { least: 0.9 } }],
  }
  figures.push(...(await duel(sealing, rounds)), ...(await duel(opening, rounds)))
  return figures
}
