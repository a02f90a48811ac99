/** Decrypts on threads that crash and cannot start again, and prints who decrypted as JSON. */
import { generateKeyPairSync } from 'node:crypto'
import { unlinkSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { unwrapOnPool } from '../../src/crypto/unwrap-pool.ts'

const { privateKey: key } = generateKeyPairSync('rsa', { modulusLength: 2048 })
// It cannot be decrypted: this thread returns the substitute.
const job = {
  wrapped: new Uint8Array(256),
  key,
  keyWrap: 'RSA-OAEP-256',
  substitute: Buffer.from('this thread'),
} as const
const decrypt = async () =>
  Buffer.from(await Promise.race([unwrapOnPool(job), sleep(5_000, Buffer.from('nobody'))])).toString()

async function decryptUntilNot(by: string): Promise<string> {
  for (let tries = 0; tries < 200; tries++) {
    const found = await decrypt()
    if (found !== by) return found
    await sleep(5)
  }
  return by
}

const before = await decryptUntilNot('this thread')
// As a deployment does.
unlinkSync(new URL('./unwrap-worker.js', import.meta.url))
const after = await decryptUntilNot('a worker')
// The other threads crash too.
const last = await decryptUntilNot('this thread')
console.log(JSON.stringify([before, after, last]))
process.exit()
