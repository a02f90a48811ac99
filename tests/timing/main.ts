/**
 * Whether a sender can tell failures of decryption apart, by the response or by its time (Bleichenbacher's oracle):
 *
 *     npm run timing [-- --samples 4000 --seed 1]
 *
 * Each message is signed by the gateway and cannot be read for one of eight reasons. Five are in the AES key. With three, the AES key is
 * correct, and the plaintext is no JSON. The messages come in random order. The times of each kind are compared with those of the first one by
 * Welch's t-test, after the slowest twentieth of each is left out (garbage collection). Elapsed time is what the sender sees; processor time
 * shows more on a busy machine.
 *
 * Fails when two responses differ, or when |t| is above 4.5 for a fault of the AES key, the usual bound for "no leak found" (ISO/IEC 17825). For
 * faults of the plaintext, |t| is only printed: see "What is not promised" in docs/security-model.md.
 */
import { constants, publicEncrypt, randomBytes } from 'node:crypto'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { createOrderSyncHandler, memoryStore } from '../../src/public/index.ts'
import { createRandom, shuffled } from '../../src/testing/simulator/random.ts'
import { merchantRsa } from '../support/keys.ts'
import { encrypted, encryptHeader, merchantCredentials, NOW, request, withHeaders } from '../support/messages.ts'

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

interface Encrypted {
  readonly body: Uint8Array
  readonly encrypt: string
}

/** Each body is another one: the handler remembers which `Encrypt` header belongs to a body. */
const withKey = (encrypt: string): Encrypted => ({
  body: Buffer.from(randomBytes(BODY_BYTES).toString('base64')),
  encrypt,
})

/** Correctly encrypted, and as long as the bodies of the other kinds. */
const withPlaintext = (plaintext: Uint8Array): Encrypted => encrypted(plaintext, publicKey)

const BODY_BYTES = 352
const TEXT_BYTES = BODY_BYTES - 1
const randomText = (length: number) => randomBytes(length).toString('base64url').slice(0, length)

const AES_KEY_KINDS: Readonly<Record<string, () => Encrypted>> = {
  'another AES key': () => withKey(encryptHeader(randomBytes(32), publicKey)),
  'no padding': () => withKey(headerOf(blockOf((block) => block.writeUInt8(1, 1)))),
  'no separator': () => withKey(headerOf(blockOf(() => {}))),
  'padding of five bytes': () => withKey(headerOf(blockOf((block) => block.writeUInt8(0, 7)))),
  'an AES key of 20 bytes': () => withKey(encryptHeader(randomBytes(20), publicKey)),
}

const PLAINTEXT_KINDS: Readonly<Record<string, () => Encrypted>> = {
  'bytes that are no text': () => withPlaintext(randomBytes(TEXT_BYTES)),
  'text that is no JSON': () => withPlaintext(Buffer.from(`x${randomText(TEXT_BYTES - 1)}`)),
  'JSON that is cut off': () => withPlaintext(Buffer.from(`{"tradeNo":"${randomText(TEXT_BYTES - 12)}`)),
}

const KINDS = { ...AES_KEY_KINDS, ...PLAINTEXT_KINDS }

function messageOf(kind: string) {
  const { body, encrypt } = KINDS[kind]?.() ?? withKey('')
  const { headers, ...rest } = request({ message: body })
  return withHeaders({ headers, ...rest }, { 'Content-Type': 'text/plain; charset=UTF-8', Encrypt: encrypt })
}

const handler = createOrderSyncHandler({
  credentials: merchantCredentials(),
  now: () => NOW,
  store: memoryStore(),
  onOrder: () => ({ orderId: 'A-1' }),
  onEvent: () => {},
})

const names = Object.keys(KINDS)
const MEASURES = ['elapsed', 'processor'] as const
const measured = new Map(names.map((name) => [name, { elapsed: [] as number[], processor: [] as number[] }]))
const shapes = new Map<string, string>()
const rounds = samples + WARM_UP
// In batches, so that the messages do not fill the memory.
for (let done = 0; done < rounds; done += 100) {
  const batch = names.flatMap((kind) =>
    Array.from({ length: Math.min(100, rounds - done) }, () => ({ kind, message: messageOf(kind) })),
  )
  for (const { kind, message } of shuffled(batch, random)) {
    const usageBefore = process.cpuUsage()
    const startedAt = process.hrtime.bigint()
    const { status, headers, body } = await handler(message)
    const elapsed = Number(process.hrtime.bigint() - startedAt) / 1_000
    const { user, system } = process.cpuUsage(usageBefore)
    if (done >= WARM_UP) {
      measured.get(kind)?.elapsed.push(elapsed)
      measured.get(kind)?.processor.push(user + system)
    }
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
let worst = 0
console.log(`Node ${process.versions.node}, ${samples} samples of each kind`)
for (const measure of MEASURES) {
  const statisticsOf = (name: string) => statistics(measured.get(name)?.[measure] ?? [])
  const base = statisticsOf(first)
  for (const name of names) {
    const { mean, variance, count } = statisticsOf(name)
    const t = name === first ? 0 : (mean - base.mean) / Math.sqrt(variance / count + base.variance / base.count)
    if (name in AES_KEY_KINDS) worst = Math.max(worst, Math.abs(t))
    console.log(`${measure.padEnd(10)} ${name.padEnd(24)} ${mean.toFixed(1)} µs, t = ${t.toFixed(2)}`)
  }
}
const differ = new Set(shapes.values()).size > 1
if (differ) console.log('the responses differ:', [...shapes])
console.log(
  worst > MAX_T || differ
    ? 'Faults of the AES key can be told apart.'
    : `Faults of the AES key cannot be told apart: |t| is at most ${worst.toFixed(2)}.`,
)
process.exitCode = worst > MAX_T || differ ? 1 : 0
