import { generateKeyPair, type KeyObject } from 'node:crypto'
import { lstat, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { describeKey } from 'alipayhk-order-sync'
import { assertNoPositionals, requireOption, UsageError } from './arguments.ts'
import { describeFileError } from './files.ts'
import { printToStderr } from './output.ts'

export const help = `alipayhk-order-sync keygen --out DIR [--algorithm RSA256|ECC224] [--format pem|jwk]

Writes a new key pair: DIR/private.pem (PKCS#8, only you can read it) and DIR/public.pem (SPKI, for AlipayHK).
Never overwrites a file.

  --out DIR          the folder for both files; created if it does not exist
  --algorithm NAME   RSA256 (RSA, 2048 bits) or ECC224 (secp224r1, cannot decrypt) (default: RSA256)
  --format NAME      pem, or jwk for DIR/private.jwk and DIR/public.jwk (RSA256 only) (default: pem)`

const generateKeyPairAsync = promisify(generateKeyPair)

const ALGORITHMS: Readonly<Record<string, () => Promise<{ privateKey: KeyObject; publicKey: KeyObject }>>> = {
  RSA256: () => generateKeyPairAsync('rsa', { modulusLength: 2048 }),
  ECC224: () => generateKeyPairAsync('ec', { namedCurve: 'secp224r1' }),
}

/** How the content of the two files is made. */
interface FileFormat {
  readonly privateText: (key: KeyObject) => string | Buffer
  readonly publicText: (key: KeyObject) => string | Buffer
}

const FORMATS: Readonly<Record<string, FileFormat>> = {
  pem: {
    privateText: (key) => key.export({ type: 'pkcs8', format: 'pem' }),
    publicText: (key) => key.export({ type: 'spki', format: 'pem' }),
  },
  jwk: { privateText: jwkText, publicText: jwkText },
}

function jwkText(key: KeyObject): string {
  return `${JSON.stringify(key.export({ format: 'jwk' }), null, 2)}\n`
}

export async function run(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      out: { type: 'string' },
      algorithm: { type: 'string', default: 'RSA256' },
      format: { type: 'string', default: 'pem' },
    },
  })
  assertNoPositionals(positionals)
  const folder = requireOption('--out', values.out)
  const generateKeys = Object.hasOwn(ALGORITHMS, values.algorithm) ? ALGORITHMS[values.algorithm] : undefined
  if (generateKeys === undefined) throw new UsageError('--algorithm must be RSA256 or ECC224.')
  const { format } = values
  const fileFormat = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined
  if (fileFormat === undefined) throw new UsageError('--format must be pem or jwk.')
  if (format === 'jwk' && values.algorithm !== 'RSA256') {
    throw new UsageError(
      '--format jwk needs --algorithm RSA256: JWK has no name for the curve of ECC224. Use --format pem.',
    )
  }
  const files = { private: join(folder, `private.${format}`), public: join(folder, `public.${format}`) }
  // Check both files first: a new private key beside an old public key would not match.
  for (const file of Object.values(files)) await assertAbsent(file)
  const { privateKey, publicKey } = await generateKeys()
  try {
    await mkdir(folder, { recursive: true })
    await writeFile(files.private, fileFormat.privateText(privateKey), { flag: 'wx', mode: 0o600 })
    await writeFile(files.public, fileFormat.publicText(publicKey), { flag: 'wx' })
  } catch (error) {
    throw new UsageError(`The keys cannot be written to ${folder}: ${describeFileError(error)}.`)
  }
  const { bits, fingerprint, thumbprint } = describeKey(publicKey)
  printToStderr(`${files.private}  ${values.algorithm}, ${bits} bits. Keep it secret.`)
  printToStderr(`${files.public}  Give it to AlipayHK. Its fingerprint (SHA-256):`)
  printToStderr(fingerprint)
  if (format === 'jwk') printToStderr(`Its JWK thumbprint (RFC 7638): ${thumbprint}`)
}

async function assertAbsent(file: string): Promise<void> {
  // lstat, not stat: a broken symbolic link blocks the path too.
  const existing = await lstat(file).catch(() => undefined)
  if (existing !== undefined)
    throw new UsageError(`${file} exists already, and is not overwritten. Nothing was written.`)
}
