import { generateKeyPair, type KeyObject } from 'node:crypto'
import { lstat, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describeKey } from 'alipayhk-order-sync'
import { defineCommand } from './command.ts'
import { describeFileError } from './files.ts'
import { folder, oneOf, required, type ValuesOf, withDefault } from './option.ts'
import { printToStderr } from './output.ts'
import { UsageError } from './usage-error.ts'

const generateKeyPairAsync = promisify(generateKeyPair)

const ALGORITHMS = {
  RSA256: () => generateKeyPairAsync('rsa', { modulusLength: 2048 }),
  ECC224: () => generateKeyPairAsync('ec', { namedCurve: 'secp224r1' }),
}

/** How to create the content of the two files. */
interface FileFormat {
  readonly privateText: (key: KeyObject) => string | Buffer
  readonly publicText: (key: KeyObject) => string | Buffer
}

const FORMATS: Readonly<Record<'pem' | 'jwk', FileFormat>> = {
  pem: {
    privateText: (key) => key.export({ type: 'pkcs8', format: 'pem' }),
    publicText: (key) => key.export({ type: 'spki', format: 'pem' }),
  },
  jwk: { privateText: jwkText, publicText: jwkText },
}

function jwkText(key: KeyObject): string {
  return `${JSON.stringify(key.export({ format: 'jwk' }), null, 2)}\n`
}

const OPTIONS = {
  out: required(folder('the folder for both files; created if it does not exist')),
  algorithm: withDefault('RSA256', oneOf(['RSA256', 'ECC224'], 'RSA (2048 bits), or secp224r1, which cannot decrypt')),
  format: withDefault('pem', oneOf(['pem', 'jwk'], 'the format of both files; jwk with RSA256 only')),
}

export const keygen = defineCommand(
  {
    name: 'keygen',
    summary: 'generate a key pair',
    description:
      'Writes a new key pair: DIR/private.pem (PKCS#8, only you can read it) and DIR/public.pem (SPKI, for AlipayHK). With --format jwk, the files are DIR/private.jwk and DIR/public.jwk. Never overwrites a file.',
    options: OPTIONS,
    examples: [
      { does: 'create an RSA key pair in the folder keys', line: 'npx alipayhk-order-sync keygen --out keys' },
      {
        does: 'create a key pair as JSON Web Keys',
        line: 'npx alipayhk-order-sync keygen --out keys --format jwk',
      },
    ],
  },
  async ({ values }) => {
    await generate(values)
    return 0
  },
)

async function generate({ out, algorithm, format }: ValuesOf<typeof OPTIONS>): Promise<void> {
  if (format === 'jwk' && algorithm !== 'RSA256') {
    throw new UsageError(
      '--format jwk needs --algorithm RSA256: JWK has no name for the curve of ECC224. Use --format pem.',
    )
  }
  const files = { private: join(out, `private.${format}`), public: join(out, `public.${format}`) }
  // Check both files first: a new private key beside an old public key would not match.
  for (const file of Object.values(files)) await assertAbsent(file)
  const { privateKey, publicKey } = await ALGORITHMS[algorithm]()
  try {
    await mkdir(out, { recursive: true })
    await writeFile(files.private, FORMATS[format].privateText(privateKey), { flag: 'wx', mode: 0o600 })
    await writeFile(files.public, FORMATS[format].publicText(publicKey), { flag: 'wx' })
  } catch (error) {
    throw new UsageError(`The keys cannot be written to ${out}: ${describeFileError(error)}.`)
  }
  const { bits, fingerprint, thumbprint } = describeKey(publicKey)
  printToStderr(`${files.private}  ${algorithm}, ${bits} bits. Keep it secret.`)
  printToStderr(`${files.public}  Give it to the other side. Its fingerprint (SHA-256):`)
  printToStderr(fingerprint)
  if (format === 'jwk') printToStderr(`Its JWK thumbprint (RFC 7638): ${thumbprint}`)
}

async function assertAbsent(file: string): Promise<void> {
  // lstat, not stat: a broken symbolic link blocks the path too.
  const existing = await lstat(file).catch(() => undefined)
  if (existing !== undefined)
    throw new UsageError(`${file} exists already. Nothing was written. Give another folder with --out.`)
}
