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
import { parsePrivateKey, parsePublicKey } from 'alipayhk-order-sync'
import { decryptBody, encryptBody, sign, verify } from 'alipayhk-order-sync/crypto'
import { signedContent } from 'alipayhk-order-sync/protocol'
import { gatewayEcc, gatewayRsa, merchantRsa } from '../tests/support/keys.ts'
import { bytesOf, CLIENT_ID, order, PATH, TIME } from '../tests/support/messages.ts'
import { runInFlight, runSerially } from './contenders.ts'
import { type Comparison, compare, type Figure, SPEED } from './measure.ts'

const signOnPool = promisify(nodeSign)
const verifyOnPool = promisify(nodeVerify)

/** Compares each operation with bare node:crypto, with a KeyObject, on the same bytes. */
export async function primitives(rounds: number): Promise<Figure[]> {
  const body = bytesOf(order())
  const content = signedContent({ method: 'POST', path: PATH, clientId: CLIENT_ID, time: TIME }, body)
  const comparisons: Comparison[] = []
  for (const [name, { privateKey, publicKey }] of Object.entries({ RSA256: gatewayRsa(), ECC224: gatewayEcc() })) {
    const [signingKey, verifyingKey] = [parsePrivateKey(privateKey), parsePublicKey(publicKey)]
    const signature = nodeSign('sha256', content, privateKey)
    comparisons.push(
      {
        what: `sign ${name}, 8 in flight`,
        ours: runInFlight(() => sign(signingKey, content), 8),
        theirs: runInFlight(() => signOnPool('sha256', content, privateKey), 8),
        measures: [{ ...SPEED, bar: { least: 0.97 } }],
      },
      {
        what: `verify ${name}`,
        ours: runInFlight(() => verify(verifyingKey, content, signature)),
        theirs:
          name === 'RSA256'
            ? runSerially(() => nodeVerify('sha256', content, publicKey, signature))
            : runInFlight(() => verifyOnPool('sha256', content, publicKey, signature)),
        measures: [{ ...SPEED, bar: { least: 0.88 } }],
      },
    )
  }
  const { privateKey, publicKey } = merchantRsa()
  const [decryptionKey, encryptionKey] = [parsePrivateKey(privateKey), parsePublicKey(publicKey)]
  const encrypted = encryptBody(body, encryptionKey)
  comparisons.push(
    {
      what: 'encrypt',
      ours: runSerially(() => encryptBody(body, encryptionKey)),
      theirs: runSerially(() => {
        const aesKey = randomBytes(32)
        const cipher = createCipheriv('aes-256-ecb', aesKey, null)
        Buffer.from(Buffer.concat([cipher.update(body), cipher.final()]).toString('base64'))
        publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, aesKey)
      }),
      measures: [{ ...SPEED, bar: { least: 0.9 } }],
    },
    {
      what: 'decrypt',
      ours: runInFlight(() => decryptBody(encrypted, decryptionKey)),
      theirs: runSerially(() => {
        const block = privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, encrypted.symmetricKey)
        const decipher = createDecipheriv('aes-256-ecb', block.subarray(-32), null)
        const ciphertext = Buffer.from(Buffer.from(encrypted.body).toString('latin1'), 'base64')
        return Buffer.concat([decipher.update(ciphertext), decipher.final()])
      }),
      measures: [{ ...SPEED, bar: { least: 0.9 } }],
    },
  )
  const figures: Figure[] = []
  for (const comparison of comparisons) figures.push(...(await compare(comparison, rounds)))
  return figures
}
