/**
 * Whether a sender can tell failures of decryption apart, by the response or by its time (Bleichenbacher's oracle):
 *
 *     npm run timing [-- --samples 4000 --seed 1]
 *
 * Each message is signed by the gateway, and its AES key cannot be used for one of five reasons. The messages come in random order. The times of each
 * kind are compared with those of the first one by Welch's t-test, after the slowest twentieth of each is left out (garbage collection). Fails above
 * |t| = 4.5, the usual bound for "no leak found" (ISO/IEC 17825), or when two responses differ.
 */
import { constants, publicEncrypt, randomBytes } from 'node:crypto'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { createOrderSyncHandler, memoryStore } from '../../src/public/index.ts'
import { createRandom, shuffled } from '../../src/testing/simulator/random.ts'
import { merchantRsa } from '../support/keys.ts'
import { encryptHeader, merchantCredentials, NOW, request, withHeaders } from '../support/messages.ts'

const MAX_T = 4.5
const WARM_UP = 300

const { values } = parseArgs({
  options: { samples: { type: 'string', default: '4000' }, seed: { type: 'string', default: '1' } },
})
const samples = Number(values.samples)
const random = createRandom(Number(values.seed))
const { publicKey } = merchantRsa()

/** An `Encrypt` header whose RSA block is made by hand. */
function headerOf(block: Buffer): string {
  const wrapped = publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, block).toString('base64')
  return `algorithm=RSA_AES,keyVersion=1,symmetricKey=${encodeURIComponent(wrapped)}`
}

/** 256 bytes: `00 02`, bytes that are not zero, and what the kind puts into them. */
function blockOf(change: (block: Buffer) => void): Buffer {
  const block = Buffer.from(randomBytes(256).map((byte) => byte || 1))
  block[0] = 0
  block[1] = 2
  change(block)
  return block
}

const KINDS: Readonly<Record<string, () => string>> = {
  'another AES key': () => encryptHeader(randomBytes(32), publicKey),
  'no padding': () => headerOf(blockOf((block) => block.writeUInt8(1, 1))),
  'no separator': () => headerOf(blockOf(() => {})),
  'padding of five bytes': () => headerOf(blockOf((block) => block.writeUInt8(0, 7))),
  'an AES key of 20 bytes': () => encryptHeader(randomBytes(20), publicKey),
}

/** Each body is another one: the handler remembers which `Encrypt` header belongs to a body. */
function messageOf(kind: string) {
  const body = Buffer.from(randomBytes(352).toString('base64'))
  const { headers, ...rest } = request({ message: body })
  const encrypted = { 'Content-Type': 'text/plain; charset=UTF-8', Encrypt: KINDS[kind]?.() }
  return withHeaders({ headers, ...rest }, encrypted)
}

const handler = createOrderSyncHandler({
  credentials: merchantCredentials(),
  now: () => NOW,
  store: memoryStore(),
  onOrder: () => ({ orderId: 'A-1' }),
  onEvent: () => {},
})

const names = Object.keys(KINDS)
const times = new Map(names.map((name): [string, number[]] => [name, []]))
const shapes = new Map<string, string>()
const rounds = samples + WARM_UP
// In batches, so that the messages do not fill the memory.
for (let done = 0; done < rounds; done += 100) {
  const batch = names.flatMap((kind) =>
    Array.from({ length: Math.min(100, rounds - done) }, () => ({ kind, message: messageOf(kind) })),
  )
  for (const { kind, message } of shuffled(batch, random)) {
    const startedAt = process.hrtime.bigint()
    const { status, headers, body } = await handler(message)
    const elapsed = Number(process.hrtime.bigint() - startedAt) / 1_000
    if (done >= WARM_UP) times.get(kind)?.push(elapsed)
    const length = 'Encrypt' in headers ? 'encrypted' : Buffer.from(body).toString()
    shapes.set(kind, JSON.stringify([status, Object.keys(headers).sort(), length]))
  }
}

function statistics(list: readonly number[]) {
  const kept = [...list].sort((a, b) => a - b).slice(0, Math.floor(list.length * 0.95))
  const mean = kept.reduce((sum, value) => sum + value, 0) / kept.length
  const variance = kept.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (kept.length - 1)
  return { mean, variance, count: kept.length }
}

const [first = ''] = names
const base = statistics(times.get(first) ?? [])
let worst = 0
console.log(`Node ${process.versions.node}, ${samples} samples of each kind`)
for (const name of names) {
  const { mean, variance, count } = statistics(times.get(name) ?? [])
  const t = name === first ? 0 : (mean - base.mean) / Math.sqrt(variance / count + base.variance / base.count)
  worst = Math.max(worst, Math.abs(t))
  console.log(`${name.padEnd(24)} ${mean.toFixed(1)} µs, t = ${t.toFixed(2)}`)
}
const differ = new Set(shapes.values()).size > 1
if (differ) console.log('the responses differ:', [...shapes])
console.log(
  worst > MAX_T || differ
    ? 'They can be told apart.'
    : `They cannot be told apart: |t| is at most ${worst.toFixed(2)}.`,
)
process.exitCode = worst > MAX_T || differ ? 1 : 0
