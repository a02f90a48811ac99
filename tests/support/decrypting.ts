/** Opens encrypted messages, good and bad, until some were opened off this thread, and tells what came of them. */
import crypto, { generateKeyPairSync, randomBytes } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import process from 'node:process'
import { isOrderSyncError, open, parsePrivateKey, parsePublicKey, seal } from 'alipayhk-order-sync'

let threads = 0
process.on('worker', () => threads++)
let here = 0
const { privateDecrypt } = crypto
crypto.privateDecrypt = (...args: Parameters<typeof privateDecrypt>) => {
  here++
  return privateDecrypt(...args)
}
syncBuiltinESMExports()

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const [mine, sender] = [parsePrivateKey(privateKey), parsePublicKey(publicKey)]

const outcome = (sealed: Parameters<typeof open>[0], suite = {}) =>
  open(sealed, mine, suite).then(
    (opened) => Buffer.from(opened).toString(),
    (error: unknown) => (isOrderSyncError(error) ? `${error.code} ${error.message}` : String(error)),
  )

async function openAll() {
  const good = seal(Buffer.from('good'), sender)
  const outcomes = await Promise.all([
    outcome(good),
    outcome(seal(Buffer.from('OAEP'), sender, { keyWrap: 'RSA-OAEP-256' }), { keyWrap: 'RSA-OAEP-256' }),
    outcome(seal(Buffer.from('to another'), parsePublicKey(other.publicKey))),
    outcome({ ...good, symmetricKey: randomBytes(256) }),
    outcome({ ...good, symmetricKey: new Uint8Array(255) }),
    outcome({ ...good, body: Buffer.from('AAAA') }),
  ])
  return outcomes
}

const first = await openAll()
let elsewhere = false
// The first messages start the threads, and do not wait for them.
for (let tries = 0; tries < 500 && !elsewhere; tries++) {
  here = 0
  await outcome(seal(Buffer.from('again'), sender))
  elsewhere = here === 0
  await new Promise((resolve) => setTimeout(resolve, 5))
  if (threads === 0 && tries > 50) break
}
console.log(JSON.stringify({ threads, elsewhere, first, later: await openAll() }))
