import { generateKeyPair, type KeyObject } from 'node:crypto'
import { lstat, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { describeKey } from 'alipayhk-order-sync'
import { noPositionals, required, UsageError } from './arguments.ts'
import { reasonOf } from './files.ts'
import { complain } from './output.ts'

export const help = `alipayhk-order-sync keygen --out DIR [--algorithm RSA256|ECC224]

Writes a new key pair: DIR/private.pem (PKCS#8, readable by you alone) and DIR/public.pem (SPKI, for AlipayHK).
Never overwrites a file.

  --out DIR          where to; it is made if need be
  --algorithm NAME   RSA256 (RSA of 2048 bits) or ECC224 (secp224r1; cannot decrypt) (RSA256)`

const generate = promisify(generateKeyPair)

const ALGORITHMS: Readonly<Record<string, () => Promise<{ privateKey: KeyObject; publicKey: KeyObject }>>> = {
  RSA256: () => generate('rsa', { modulusLength: 2048 }),
  ECC224: () => generate('ec', { namedCurve: 'secp224r1' }),
}

export async function run(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { out: { type: 'string' }, algorithm: { type: 'string', default: 'RSA256' } },
  })
  noPositionals(positionals)
  const folder = required('--out', values.out)
  const algorithm = Object.hasOwn(ALGORITHMS, values.algorithm) ? ALGORITHMS[values.algorithm] : undefined
  if (algorithm === undefined) throw new UsageError('--algorithm must be RSA256 or ECC224.')
  const files = { private: join(folder, 'private.pem'), public: join(folder, 'public.pem') }
  // Both are looked for first: a pair of which one half is another's helps nobody.
  for (const file of Object.values(files)) await assertAbsent(file)
  const { privateKey, publicKey } = await algorithm()
  try {
    await mkdir(folder, { recursive: true })
    await writeFile(files.private, privateKey.export({ type: 'pkcs8', format: 'pem' }), { flag: 'wx', mode: 0o600 })
    await writeFile(files.public, publicKey.export({ type: 'spki', format: 'pem' }), { flag: 'wx' })
  } catch (error) {
    throw new UsageError(`The keys cannot be written to ${folder}: ${reasonOf(error)}.`)
  }
  const { bits, fingerprint } = describeKey(publicKey)
  complain(`${files.private}  ${values.algorithm}, ${bits} bits. Keep it secret.`)
  complain(`${files.public}  Give it to AlipayHK. Its fingerprint (SHA-256):`)
  complain(fingerprint)
}

async function assertAbsent(file: string): Promise<void> {
  // lstat, not stat: a link that leads nowhere is in the way too.
  const found = await lstat(file).catch(() => undefined)
  if (found !== undefined) throw new UsageError(`${file} exists already, and is not overwritten. Nothing was written.`)
}
