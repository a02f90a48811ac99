/** Decrypts valid and invalid messages until a worker thread decrypts them, and prints the outcomes as JSON. */
import crypto, { generateKeyPairSync, randomBytes } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import process from 'node:process'
import { isOrderSyncError, parsePrivateKey, parsePublicKey } from 'alipayhk-order-sync'
import { decryptBody, type EncryptionOptions, encryptBody } from 'alipayhk-order-sync/crypto'

let threads = 0
process.on('worker', () => threads++)
let callsOnThisThread = 0
const { privateDecrypt } = crypto
crypto.privateDecrypt = (...args: Parameters<typeof privateDecrypt>) => {
  callsOnThisThread++
  return privateDecrypt(...args)
}
syncBuiltinESMExports()

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const [recipient, sender] = [parsePrivateKey(privateKey), parsePublicKey(publicKey)]

const outcome = (encrypted: Parameters<typeof decryptBody>[0], encryption: EncryptionOptions = {}) =>
  decryptBody(encrypted, recipient, encryption).then(
    (decrypted) => Buffer.from(decrypted).toString(),
    (error: unknown) => (isOrderSyncError(error) ? `${error.code} ${error.message}` : String(error)),
  )

async function decryptAll() {
  const good = encryptBody(Buffer.from('good'), sender)
  const outcomes = await Promise.all([
    outcome(good),
    outcome(encryptBody(Buffer.from('OAEP'), sender, { keyWrap: 'RSA-OAEP-256' }), { keyWrap: 'RSA-OAEP-256' }),
    outcome(encryptBody(Buffer.from('to another'), parsePublicKey(other.publicKey))),
    outcome({ ...good, symmetricKey: randomBytes(256) }),
    outcome({ ...good, symmetricKey: new Uint8Array(255) }),
    outcome({ ...good, body: Buffer.from('AAAA') }),
  ])
  return outcomes
}

const first = await decryptAll()
let offThread = false
// The first messages start the threads, and do not wait for them.
for (let tries = 0; tries < 500 && !offThread; tries++) {
  callsOnThisThread = 0
  await outcome(encryptBody(Buffer.from('again'), sender))
  offThread = callsOnThisThread === 0
  await new Promise((resolve) => setTimeout(resolve, 5))
  if (threads === 0 && tries > 50) break
}
console.log(JSON.stringify({ threads, offThread, first, later: await decryptAll() }))
