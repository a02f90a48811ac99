import { execFileSync } from 'node:child_process'
import {
  createHash,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type JsonWebKey,
  KeyObject,
  webcrypto,
} from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { calculateJwkThumbprint } from 'jose'
import { afterAll, describe, expect, test } from 'vitest'
import type { PrivateKey, PublicKey } from '../../src/crypto/key.ts'
import { ConfigurationError } from '../../src/errors.ts'
import {
  describeKey,
  type PrivateKeyInput,
  type PublicKeyInput,
  parsePrivateKey,
  parsePublicKey,
} from '../../src/keys/keys.ts'
import { der, merchantEcc, merchantRsa, type Pair, p256, pem, strangerRsa, weakRsa } from '../support/keys.ts'

const folder = mkdtempSync(join(tmpdir(), 'keys-'))
afterAll(() => rmSync(folder, { recursive: true }))

const path = (name: string) => join(folder, name)
const read = (name: string) => readFileSync(path(name), 'utf8')
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })

// Files that only openssl makes.
writeFileSync(path('rsa.pem'), pem(merchantRsa().privateKey))
writeFileSync(path('ecc.pem'), pem(merchantEcc().privateKey))
writeFileSync(path('stranger.pem'), pem(strangerRsa().privateKey))
for (const name of ['rsa', 'ecc', 'stranger']) {
  openssl('req', '-x509', '-new', '-key', `${name}.pem`, '-subj', `/CN=${name}`, '-days', '1', '-out', `${name}.crt`)
}
openssl('ec', '-in', 'ecc.pem', '-out', 'ecc.sec1.pem')
openssl('ecparam', '-name', 'secp224r1', '-out', 'ecc.params.pem')
openssl('pkcs8', '-topk8', '-in', 'rsa.pem', '-v2', 'aes-256-cbc', '-passout', 'pass:open', '-out', 'rsa.encrypted.pem')
openssl('rsa', '-in', 'rsa.pem', '-traditional', '-aes128', '-passout', 'pass:open', '-out', 'rsa.legacy.pem')
openssl('ec', '-in', 'ecc.pem', '-aes128', '-passout', 'pass:open', '-out', 'ecc.legacy.pem')
openssl('pkcs12', '-export', '-inkey', 'rsa.pem', '-in', 'rsa.crt', '-passout', 'pass:open', '-out', 'rsa.p12')
openssl('pkcs12', '-in', 'rsa.p12', '-passin', 'pass:open', '-nodes', '-nocerts', '-out', 'rsa.bag.pem')
openssl('pkcs12', '-in', 'rsa.p12', '-passin', 'pass:open', '-nodes', '-out', 'rsa.bundle.pem')
openssl('req', '-new', '-key', 'rsa.pem', '-subj', '/CN=rsa', '-out', 'rsa.csr')

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const lines = (text: string, end = '\n') => (text.match(/.{1,64}/g) ?? []).join(end)
const armour = (label: string, bytes: Uint8Array) =>
  `-----BEGIN ${label}-----\n${lines(base64(bytes))}\n-----END ${label}-----\n`
const jwk = (key: KeyObject) => key.export({ format: 'jwk' })

/** PKCS#1 or SEC 1, as DER. */
const traditional = (key: KeyObject): Uint8Array =>
  key.export({ type: key.asymmetricKeyType === 'ec' ? 'sec1' : 'pkcs1', format: 'der' })

/** How the text of a PEM file arrives from files, environment variables and secret managers. */
const MANGLINGS: Readonly<Record<string, (text: string) => string | Uint8Array>> = {
  unchanged: (text) => text,
  'with CRLF': (text) => text.replaceAll('\n', '\r\n'),
  'with escaped \\n': (text) => text.replaceAll('\n', '\\n'),
  'with escaped \\r\\n': (text) => text.replaceAll('\n', '\\r\\n'),
  'in double quotes': (text) => `"${text}"`,
  'in single quotes, escaped': (text) => `'${text.replaceAll('\n', '\\n')}'`,
  'in backticks': (text) => `\`${text}\``,
  'as a JSON string': (text) => JSON.stringify(text),
  'on one line, with spaces': (text) => text.replaceAll('\n', ' '),
  'on one line, without spaces': (text) => text.replaceAll('\n', ''),
  indented: (text) => text.replaceAll(/^/gm, '    '),
  'with white space around': (text) => `\n\t ${text} \n\n`,
  'behind a byte order mark': (text) => `\uFEFF${text}`,
  'behind a comment': (text) => `# production key\n${text}`,
  'as the bytes of a file': (text) => Buffer.from(text),
  'as the bytes of a file that begins with a blank line': (text) => new TextEncoder().encode(`\r\n${text}`),
  'in a layer of base64': (text) => base64(Buffer.from(text)),
  'in a layer of base64, on lines': (text) => lines(base64(Buffer.from(text))),
  'in two layers of base64': (text) => base64(Buffer.from(base64(Buffer.from(text)))),
}

/** How DER arrives without PEM around it. */
const DER_FORMS: Readonly<Record<string, (bytes: Uint8Array) => string | Uint8Array>> = {
  'DER bytes': (bytes) => new Uint8Array(bytes),
  'DER bytes, a view into a larger buffer': (bytes) => new Uint8Array([0, ...bytes, 0]).subarray(1, -1),
  'bare base64': base64,
  'bare base64 on lines': (bytes) => lines(base64(bytes)),
  'bare base64 on CRLF lines, in quotes': (bytes) => `"${lines(base64(bytes), '\r\n')}"`,
  'bare base64 with escaped \\n': (bytes) => lines(base64(bytes), '\\n'),
  base64url: (bytes) => Buffer.from(bytes).toString('base64url'),
  'the bytes of a file of base64': (bytes) => Buffer.from(`${lines(base64(bytes))}\n`),
}

const pems = {
  RSA256: {
    pair: merchantRsa,
    private: {
      'PKCS#8': ({ privateKey }: Pair) => pem(privateKey),
      'PKCS#1': ({ privateKey }: Pair) => armour('RSA PRIVATE KEY', traditional(privateKey)),
      'PKCS#8 under the label of PKCS#1': ({ privateKey }: Pair) => armour('RSA PRIVATE KEY', der(privateKey)),
      'PKCS#1 under the label of PKCS#8': ({ privateKey }: Pair) => armour('PRIVATE KEY', traditional(privateKey)),
      'PKCS#8 under the label of a public key': ({ privateKey }: Pair) => armour('PUBLIC KEY', der(privateKey)),
      'PKCS#8 with bag attributes': () => read('rsa.bag.pem'),
    },
    public: {
      SPKI: ({ publicKey }: Pair) => pem(publicKey),
      'PKCS#1': ({ publicKey }: Pair) => armour('RSA PUBLIC KEY', traditional(publicKey)),
      'SPKI under the label of PKCS#1': ({ publicKey }: Pair) => armour('RSA PUBLIC KEY', der(publicKey)),
      'PKCS#1 under the label of SPKI': ({ publicKey }: Pair) => armour('PUBLIC KEY', traditional(publicKey)),
      'SPKI under the label of a private key': ({ publicKey }: Pair) => armour('PRIVATE KEY', der(publicKey)),
      'X.509 certificate': () => read('rsa.crt'),
      'X.509 certificate and its issuer': () => read('rsa.crt') + read('stranger.crt'),
    },
  },
  ECC224: {
    pair: merchantEcc,
    private: {
      'PKCS#8': ({ privateKey }: Pair) => pem(privateKey),
      'SEC 1': () => read('ecc.sec1.pem'),
      'SEC 1 behind EC PARAMETERS': () => read('ecc.params.pem') + read('ecc.sec1.pem'),
      'SEC 1 under the label of PKCS#8': ({ privateKey }: Pair) => armour('PRIVATE KEY', traditional(privateKey)),
      'PKCS#8 under the label of SEC 1': ({ privateKey }: Pair) => armour('EC PRIVATE KEY', der(privateKey)),
    },
    public: {
      SPKI: ({ publicKey }: Pair) => pem(publicKey),
      'X.509 certificate': () => read('ecc.crt'),
      'X.509 certificate and its issuer': () => read('ecc.crt') + read('stranger.crt'),
    },
  },
} as const

type Form = readonly [form: string, mangling: string, input: () => PublicKeyInput]

function forms(algorithm: 'RSA256' | 'ECC224', kind: 'private' | 'public'): Form[] {
  const { pair, [kind]: texts } = pems[algorithm]
  const key = () => pair()[`${kind}Key`]
  const plain = Object.entries(texts).flatMap(([form, text]: [string, (pair: Pair) => string]) =>
    Object.entries(MANGLINGS).map(([mangling, mangle]): Form => [`${form} PEM`, mangling, () => mangle(text(pair()))]),
  )
  const binary: [string, () => Uint8Array][] = [
    [kind === 'private' ? 'PKCS#8' : 'SPKI', () => der(key())],
    ...(algorithm === 'ECC224' && kind === 'public'
      ? []
      : [['PKCS#1 or SEC 1', () => traditional(key())] as [string, () => Uint8Array]]),
  ]
  const bare = binary.flatMap(([form, bytes]) =>
    Object.entries(DER_FORMS).map(([mangling, mangle]): Form => [form, `as ${mangling}`, () => mangle(bytes())]),
  )
  const objects: Form[] = [
    ['KeyObject', 'unchanged', key],
    ...(algorithm === 'ECC224'
      ? []
      : ([
          ['JWK', 'as an object', () => jwk(key())],
          ['JWK', 'as JSON', () => JSON.stringify(jwk(key()))],
          ['JWK', 'as JSON on lines, in quotes', () => `'${JSON.stringify(jwk(key()), null, 2)}'`],
          ['JWK', 'as the bytes of a file', () => Buffer.from(JSON.stringify(jwk(key())))],
          ['JWK', 'in a layer of base64', () => base64(Buffer.from(JSON.stringify(jwk(key()))))],
        ] as Form[])),
  ]
  return [...plain, ...bare, ...objects]
}

const wrongKind = expect.objectContaining({ name: 'ConfigurationError', code: 'ERR_KEY_KIND' })

const fingerprintOf = (key: KeyObject) => describeKey(key).fingerprint

/** Whether the two are the halves of one pair: what one signs, the other verifies. */
const isPair = async (privateKey: PrivateKey, publicKey: PublicKey) =>
  await publicKey.verify(Buffer.from('content'), await privateKey.sign(Buffer.from('content')))

describe.each(['RSA256', 'ECC224'] as const)('a key for %s', (algorithm) => {
  const { pair } = pems[algorithm]
  const encrypts = algorithm === 'RSA256'

  test.each(forms(algorithm, 'private'))(
    'is parsed by parsePrivateKey as %s %s, and rejected by parsePublicKey',
    async (...[, , input]) => {
      const parsed = parsePrivateKey(input())
      expect(parsed).toMatchObject({ algorithm, isRemote: false, fingerprint: fingerprintOf(pair().publicKey) })
      expect('unwrap' in parsed).toBe(encrypts)
      expect(await isPair(parsed, parsePublicKey(pair().publicKey))).toBe(true)
      expect(() => parsePublicKey(input())).toThrow(wrongKind)
    },
  )

  test.each(forms(algorithm, 'public'))(
    'is parsed by parsePublicKey as %s %s, and rejected by parsePrivateKey',
    async (...[, , input]) => {
      const parsed = parsePublicKey(input())
      expect(parsed).toMatchObject({ algorithm, fingerprint: fingerprintOf(pair().publicKey) })
      expect('wrap' in parsed).toBe(encrypts)
      expect(await isPair(parsePrivateKey(pair().privateKey), parsed)).toBe(true)
      expect(() => parsePrivateKey(input())).toThrow(wrongKind)
    },
  )
})

describe('a CryptoKey', () => {
  const rsassa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const importKey = ({ privateKey, publicKey }: Pair, algorithm: object, usage: 'sign' | 'encrypt' = 'sign') => ({
    privateKey: () =>
      webcrypto.subtle.importKey('pkcs8', der(privateKey), algorithm as webcrypto.RsaHashedImportParams, false, [
        usage === 'sign' ? 'sign' : 'decrypt',
      ]),
    publicKey: () =>
      webcrypto.subtle.importKey('spki', der(publicKey), algorithm as webcrypto.RsaHashedImportParams, true, [
        usage === 'sign' ? 'verify' : 'encrypt',
      ]),
  })

  test('for RSASSA-PKCS1-v1_5 with SHA-256 signs and verifies, and can do nothing else', async () => {
    const keys = importKey(merchantRsa(), rsassa)
    const [privateKey, publicKey] = await Promise.all([keys.privateKey(), keys.publicKey()])
    const [parsedPrivate, parsedPublic] = [parsePrivateKey(privateKey), parsePublicKey(publicKey)]
    expect(parsedPrivate).toEqual({ algorithm: 'RSA256', isRemote: false, sign: expect.any(Function) })
    expect(parsedPublic).toEqual({ algorithm: 'RSA256', verify: expect.any(Function) })
    // No "wrap", "unwrap" or "fingerprint", not even as undefined.
    expect(Object.keys(parsedPrivate).sort()).toEqual(['algorithm', 'isRemote', 'sign'])
    expect(Object.keys(parsedPublic).sort()).toEqual(['algorithm', 'verify'])
    expect(await isPair(parsedPrivate, parsePublicKey(merchantRsa().publicKey))).toBe(true)
    expect(await isPair(parsePrivateKey(merchantRsa().privateKey), parsedPublic)).toBe(true)
    expect(() => parsePublicKey(privateKey)).toThrow(wrongKind)
    expect(() => parsePrivateKey(publicKey)).toThrow(wrongKind)
  })

  test.each([
    ['with another hash', 'ERR_KEY_ALGORITHM', () => importKey(merchantRsa(), { ...rsassa, hash: 'SHA-1' })],
    ['for RSA-PSS', 'ERR_KEY_ALGORITHM', () => importKey(merchantRsa(), { name: 'RSA-PSS', hash: 'SHA-256' })],
    [
      'for encryption',
      'ERR_KEY_ALGORITHM',
      () => importKey(merchantRsa(), { name: 'RSA-OAEP', hash: 'SHA-256' }, 'encrypt'),
    ],
    ['over another curve', 'ERR_KEY_ALGORITHM', () => importKey(p256(), { name: 'ECDSA', namedCurve: 'P-256' })],
    ['of 1024 bits', 'ERR_KEY_WEAK', () => importKey(weakRsa(), rsassa)],
  ])('%s is rejected with %s', async (_, code, keys) => {
    const [privateKey, publicKey] = await Promise.all([keys().privateKey(), keys().publicKey()])
    expect(() => parsePrivateKey(privateKey)).toThrow(expect.objectContaining({ code }))
    expect(() => parsePublicKey(publicKey)).toThrow(expect.objectContaining({ code }))
  })

  test('that must not verify is refused with ERR_KEY_ALGORITHM', async () => {
    const key = await webcrypto.subtle.importKey('spki', der(merchantRsa().publicKey), rsassa, true, [])
    expect(() => parsePublicKey(key)).toThrow(expect.objectContaining({ code: 'ERR_KEY_ALGORITHM' }))
  })

  test('that is secret is refused with ERR_KEY_KIND', async () => {
    const key = await webcrypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
    expect(() => parsePrivateKey(key as webcrypto.CryptoKey)).toThrow(wrongKind)
  })
})

describe('a signer', () => {
  const sign = () => new Uint8Array()

  test.each(['RSA256', 'ECC224'] as const)('for %s is a private key, and is rejected as a public key', (algorithm) => {
    const signer = { algorithm, sign }
    expect(parsePrivateKey(signer)).toEqual({ algorithm, isRemote: true, sign: expect.any(Function) })
    expect(() => parsePublicKey(signer as unknown as PublicKeyInput)).toThrow(
      expect.objectContaining({ code: 'ERR_KEY_FORMAT' }),
    )
  })

  test.each(['RSA256', 'ECC224'] as const)('for %s can unwrap when it has "decrypt"', (algorithm) => {
    const parsed = parsePrivateKey({ algorithm, sign, decrypt: () => undefined })
    expect(Object.keys(parsed).sort()).toEqual(['algorithm', 'isRemote', 'sign', 'unwrap'])
    expect(Object.keys(parsePrivateKey({ algorithm, sign })).sort()).toEqual(['algorithm', 'isRemote', 'sign'])
  })

  test('may be an instance of a class', () => {
    class Vault {
      readonly algorithm = 'RSA256'
      sign = sign
    }
    expect(parsePrivateKey(new Vault())).toHaveProperty('isRemote', true)
  })

  test.each(['RS256', 'rsa256', '', undefined, 'toString'])(
    'with the algorithm %s is refused with ERR_KEY_ALGORITHM',
    (algorithm) => {
      expect(() => parsePrivateKey({ algorithm, sign } as PrivateKeyInput)).toThrow(
        expect.objectContaining({ code: 'ERR_KEY_ALGORITHM' }),
      )
    },
  )
})

/** The bytes with one part replaced by another of the same length. */
const replace = (bytes: Uint8Array, from: string, to: string): Uint8Array => {
  const hex = Buffer.from(bytes).toString('hex')
  expect(hex).toContain(from)
  return Buffer.from(hex.replace(from, to), 'hex')
}

const privatePem = () => pem(merchantRsa().privateKey)
const publicPem = () => pem(merchantRsa().publicKey)
const OPENSSH = armour('OPENSSH PRIVATE KEY', Buffer.concat([Buffer.from('openssh-key-v1\0'), Buffer.alloc(300, 0x5a)]))
const of = (type: 'ed25519' | 'x25519') => generateKeyPairSync(type as 'ed25519')
const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
const oct = { kty: 'oct', k: 'c2VjcmV0LXNlY3JldC1zZWNyZXQ' }

type Diagnosis = readonly [
  title: string,
  expected: 'private' | 'public',
  input: () => unknown,
  code: string,
  message: RegExp,
]

const DIAGNOSES: Diagnosis[] = [
  ['a public key', 'private', publicPem, 'ERR_KEY_KIND', /is a public key; a private key was expected/],
  ['a public KeyObject', 'private', () => merchantRsa().publicKey, 'ERR_KEY_KIND', /is a public key; a private/],
  ['a private key', 'public', privatePem, 'ERR_KEY_KIND', /is a private key; a public key was expected/],
  ['a private JWK', 'public', () => jwk(merchantRsa().privateKey), 'ERR_KEY_KIND', /is a private key; a public/],
  ['a certificate', 'private', () => read('rsa.crt'), 'ERR_KEY_KIND', /is a certificate; a private key was expected/],
  ['a secret KeyObject', 'private', () => createSecretKey(Buffer.alloc(32)), 'ERR_KEY_KIND', /is a secret key/],
  ['1024 bits', 'private', () => pem(weakRsa().privateKey), 'ERR_KEY_WEAK', /is RSA of 1024 bits; at least 2048/],
  ['1024 bits', 'public', () => pem(weakRsa().publicKey), 'ERR_KEY_WEAK', /is RSA of 1024 bits; at least 2048/],
  ['a JWK of 1024 bits', 'public', () => jwk(weakRsa().publicKey), 'ERR_KEY_WEAK', /is RSA of 1024 bits/],
  ['a KeyObject of 1024 bits', 'public', () => weakRsa().publicKey, 'ERR_KEY_WEAK', /is RSA of 1024 bits/],
  [
    'an exponent of 1',
    'public',
    () => replace(der(merchantRsa().publicKey), '0203010001', '0203000001'),
    'ERR_KEY_WEAK',
    /unsafe public exponent/,
  ],
  [
    'an even exponent',
    'public',
    () => replace(der(merchantRsa().publicKey), '0203010001', '0203010000'),
    'ERR_KEY_WEAK',
    /unsafe public exponent/,
  ],
  [
    'an encrypted PKCS#8',
    'private',
    () => read('rsa.encrypted.pem'),
    'ERR_KEY_ENCRYPTED',
    /encrypted private key; decrypt it/,
  ],
  [
    'an encrypted PKCS#1',
    'private',
    () => read('rsa.legacy.pem'),
    'ERR_KEY_ENCRYPTED',
    /encrypted private key; decrypt it/,
  ],
  [
    'an encrypted SEC 1',
    'private',
    () => read('ecc.legacy.pem'),
    'ERR_KEY_ENCRYPTED',
    /encrypted private key; decrypt it/,
  ],
  [
    'an encrypted PKCS#1 with escaped \\n',
    'private',
    () => read('rsa.legacy.pem').replaceAll('\n', '\\n'),
    'ERR_KEY_ENCRYPTED',
    /encrypted private key; decrypt it/,
  ],
  [
    'an encrypted PKCS#8 as bare base64',
    'private',
    () => read('rsa.encrypted.pem').replaceAll(/-----[^-]+-----/g, ''),
    'ERR_KEY_ENCRYPTED',
    /encrypted private key; decrypt it/,
  ],
  ['an encrypted PKCS#8', 'public', () => read('rsa.encrypted.pem'), 'ERR_KEY_ENCRYPTED', /encrypted private key/],
  ['an OpenSSH private key', 'private', () => OPENSSH, 'ERR_KEY_FORMAT', /OpenSSH form; convert it: ssh-keygen -p/],
  [
    'an OpenSSH public key',
    'public',
    () => `ssh-rsa ${base64(der(merchantRsa().publicKey))} me@home`,
    'ERR_KEY_FORMAT',
    /OpenSSH form; convert it: ssh-keygen -e/,
  ],
  [
    'a PKCS#12 bundle',
    'private',
    () => readFileSync(path('rsa.p12')),
    'ERR_KEY_FORMAT',
    /is a PKCS#12 bundle; extract/,
  ],
  [
    'a PKCS#12 bundle in base64',
    'private',
    () => base64(readFileSync(path('rsa.p12'))),
    'ERR_KEY_FORMAT',
    /is a PKCS#12 bundle; extract/,
  ],
  [
    'P-256',
    'private',
    () => pem(p256().privateKey),
    'ERR_KEY_ALGORITHM',
    /is EC over prime256v1; RSA .* or EC over secp224r1/,
  ],
  ['P-256', 'public', () => p256().publicKey, 'ERR_KEY_ALGORITHM', /is EC over prime256v1/],
  ['Ed25519', 'private', () => pem(of('ed25519').privateKey), 'ERR_KEY_ALGORITHM', /is ed25519/],
  ['Ed25519', 'public', () => of('ed25519').publicKey, 'ERR_KEY_ALGORITHM', /is ed25519/],
  ['X25519', 'public', () => pem(of('x25519').publicKey), 'ERR_KEY_ALGORITHM', /is x25519/],
  ['RSA-PSS', 'private', () => pem(pss.privateKey), 'ERR_KEY_ALGORITHM', /is rsa-pss/],
  ['RSA-PSS', 'public', () => pem(pss.publicKey), 'ERR_KEY_ALGORITHM', /is rsa-pss/],
  ['an oct JWK', 'private', () => oct, 'ERR_KEY_ALGORITHM', /JWK whose "kty" is not RSA/],
  ['an OKP JWK', 'public', () => jwk(of('ed25519').publicKey), 'ERR_KEY_ALGORITHM', /JWK whose "kty" is not RSA/],
  ['an EC JWK', 'private', () => jwk(p256().privateKey), 'ERR_KEY_ALGORITHM', /no name for secp224r1; pass PEM/],
  ['JSON that is not a JWK', 'public', () => '{"key":1}', 'ERR_KEY_ALGORITHM', /JWK whose "kty" is not RSA/],
  [
    'a JWK set',
    'public',
    () => ({ keys: [jwk(merchantRsa().publicKey)] }),
    'ERR_KEY_FORMAT',
    /is a JWK set; use importJwkSet/,
  ],
  [
    'a JWK set as JSON',
    'private',
    () => JSON.stringify({ keys: [jwk(merchantRsa().privateKey)] }),
    'ERR_KEY_FORMAT',
    /is a JWK set; use importJwkSet/,
  ],
  [
    'a JWK without its modulus',
    'public',
    () => ({ ...jwk(merchantRsa().publicKey), n: undefined }),
    'ERR_KEY_FORMAT',
    /JWK with missing or malformed members/,
  ],
  [
    'a JWK with junk in its modulus',
    'public',
    () => ({ ...jwk(merchantRsa().publicKey), n: `${jwk(merchantRsa().publicKey).n}!` }),
    'ERR_KEY_FORMAT',
    /JWK with missing or malformed members/,
  ],
  [
    'a private JWK without its primes',
    'private',
    () => ({ ...jwk(merchantRsa().privateKey), p: undefined, q: undefined }),
    'ERR_KEY_FORMAT',
    /JWK with missing or malformed members/,
  ],
  [
    'JSON that is cut off',
    'private',
    () => JSON.stringify(jwk(merchantRsa().privateKey)).slice(0, -5),
    'ERR_KEY_FORMAT',
    /begins like JSON but is not/,
  ],
  ['the path of a file', 'private', () => './keys/private.pem', 'ERR_KEY_FORMAT', /path of a file; read the file/],
  ['the path of a JWK', 'private', () => 'keys/private.jwk', 'ERR_KEY_FORMAT', /path of a file; read the file/],
  ['a path without a slash', 'public', () => 'alipayhk public.pem', 'ERR_KEY_FORMAT', /path of a file; read the file/],
  [
    'a path that is base64 by chance',
    'private',
    () => '/run/secrets/key',
    'ERR_KEY_FORMAT',
    /path of a file; read the/,
  ],
  ['a path in the home folder', 'private', () => '~/.ssh/id_rsa', 'ERR_KEY_FORMAT', /path of a file; read the file/],
  [
    'a path of Windows',
    'private',
    () => 'C:\\new\\rsa\\private.pem',
    'ERR_KEY_FORMAT',
    /path of a file; read the file/,
  ],
  ['a URL of a file', 'private', () => 'file:///run/secrets/key', 'ERR_KEY_FORMAT', /path of a file; read the file/],
  [
    'PEM without its last line',
    'private',
    () => privatePem().split('-----END')[0],
    'ERR_KEY_FORMAT',
    /matching END line; it may have been cut off/,
  ],
  [
    'PEM cut off in its last line',
    'private',
    () => privatePem().slice(0, -3),
    'ERR_KEY_FORMAT',
    /matching END line; it may have been cut off/,
  ],
  [
    'PEM that ends under another label',
    'private',
    () => privatePem().replace('END PRIVATE', 'END PUBLIC'),
    'ERR_KEY_FORMAT',
    /begins and ends as different kinds of PEM/,
  ],
  [
    'PEM with a line left out',
    'private',
    () => privatePem().split('\n').toSpliced(5, 1).join('\n'),
    'ERR_KEY_FORMAT',
    /has the beginning of a key; it was cut off: \d+ of \d+ bytes are there/,
  ],
  [
    'PEM with nothing inside',
    'private',
    () => armour('PRIVATE KEY', new Uint8Array()),
    'ERR_KEY_FORMAT',
    /is PEM without content/,
  ],
  [
    'PEM with dots for its content',
    'private',
    () => privatePem().replace(/\n[^-]+\n/, '\n…\n'),
    'ERR_KEY_FORMAT',
    /is PEM whose content has dots instead of its middle; it was shortened/,
  ],
  [
    'DER that is cut off',
    'private',
    () => der(merchantRsa().privateKey).subarray(0, -1),
    'ERR_KEY_FORMAT',
    /has the beginning of a key; it was cut off: \d+ of \d+ bytes are there/,
  ],
  [
    'DER with a byte too many',
    'public',
    () => new Uint8Array([...der(merchantRsa().publicKey), 0]),
    'ERR_KEY_FORMAT',
    /1 more than the \d+ bytes of its structure are there/,
  ],
  [
    'base64 that is cut off',
    'private',
    () => base64(der(merchantRsa().privateKey)).slice(0, -100),
    'ERR_KEY_FORMAT',
    /it was cut off: \d+ of \d+ bytes are there/,
  ],
  [
    'base64 cut off between bytes',
    'private',
    () => base64(der(merchantRsa().privateKey)).slice(0, -102),
    'ERR_KEY_FORMAT',
    /it was cut off: \d+ of \d+ bytes are there/,
  ],
  [
    'base64 without its beginning',
    'private',
    // Further on it is as random as the key, and one in 256 begins like JSON.
    () => base64(der(merchantRsa().privateKey)).slice(8),
    'ERR_KEY_FORMAT',
    /it may have been cut off/,
  ],
  [
    'the outside of PKCS#8 around nonsense',
    'private',
    () => Buffer.from('300b020100300004045a5a5a5a', 'hex'),
    'ERR_KEY_FORMAT',
    /outer form of pkcs8 but its content cannot be parsed/,
  ],
  ['a certificate request', 'public', () => read('rsa.csr'), 'ERR_KEY_FORMAT', /is a certificate request \(CSR\)/],
  [
    'a private key and a public one',
    'private',
    () => privatePem() + publicPem(),
    'ERR_KEY_FORMAT',
    /has 2 PEM blocks; pass only the right one/,
  ],
  ['a certificate and its private key', 'private', () => read('rsa.bundle.pem'), 'ERR_KEY_FORMAT', /has 2 PEM blocks/],
  ['a certificate and its private key', 'public', () => read('rsa.bundle.pem'), 'ERR_KEY_FORMAT', /has 2 PEM blocks/],
  ['a word', 'private', () => 'changeme!', 'ERR_KEY_FORMAT', /neither PEM nor the base64 of a key/],
  [
    'a word in base64',
    'private',
    () => base64(Buffer.from('changeme!')),
    'ERR_KEY_FORMAT',
    /neither PEM nor the base64/,
  ],
  ['an empty text', 'private', () => '', 'ERR_KEY_FORMAT', /is empty; set the environment variable/],
  ['white space', 'public', () => ' \n\t', 'ERR_KEY_FORMAT', /is empty; set the environment variable/],
  ['empty quotes', 'private', () => '""', 'ERR_KEY_FORMAT', /is empty; set the environment variable/],
  ['no bytes', 'private', () => new Uint8Array(), 'ERR_KEY_FORMAT', /is empty/],
  ['undefined', 'private', () => undefined, 'ERR_KEY_FORMAT', /is undefined; pass PEM text/],
  ['null', 'public', () => null, 'ERR_KEY_FORMAT', /is null; pass PEM text/],
  ['a number', 'private', () => 1, 'ERR_KEY_FORMAT', /is number; pass PEM text/],
  ['a Map', 'public', () => new Map([[1, publicPem()]]), 'ERR_KEY_FORMAT', /is object; pass PEM text/],
  ['an array', 'private', () => [privatePem()], 'ERR_KEY_FORMAT', /is object; pass PEM text/],
  ['an object of another kind', 'public', () => ({ pem: publicPem() }), 'ERR_KEY_FORMAT', /is object; pass PEM text/],
]

const failure = (run: () => unknown): ConfigurationError => {
  try {
    run()
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
  throw new Error('was not refused')
}

/** All substrings of 12 characters, after removing white space. */
const runs = (text: string): Set<string> => {
  const compact = text.replace(/\s+/g, '')
  return new Set(Array.from({ length: Math.max(0, compact.length - 11) }, (_, at) => compact.slice(at, at + 12)))
}

/** Everything that an application may print of an error. */
const printed = (error: Error) =>
  [
    error.message,
    error.stack,
    String(error),
    JSON.stringify(error),
    JSON.stringify(error, Object.getOwnPropertyNames(error)),
    inspect(error, { depth: Infinity, showHidden: true, maxStringLength: null }),
  ].join('\n')

/** The key material in an input, in all encodings in which an error could quote it. */
function secretsOf(input: unknown): string[] {
  if (input instanceof KeyObject) return secretsOf(input.type === 'secret' ? input.export() : der(input))
  if (input instanceof Uint8Array)
    return (['base64', 'base64url', 'hex'] as const).map((to) => Buffer.from(input).toString(to))
  if (typeof input === 'object' && input !== null) return Object.values(input).flatMap(secretsOf)
  if (typeof input !== 'string') return []
  // The first and last line of PEM are not secret.
  const content = input.replaceAll(/-----[^-]+-----|\\n|\s+/g, '')
  return [content, ...(input.startsWith('{') ? secretsOf(tryJson(input)) : [])]
}

const tryJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

describe('parsePrivateKey and parsePublicKey', () => {
  const parse = (expected: 'private' | 'public', input: unknown) =>
    failure(() =>
      expected === 'private'
        ? parsePrivateKey(input as PrivateKeyInput, 'privateKeys[7]')
        : parsePublicKey(input as PublicKeyInput, 'peerPublicKeys[7]'),
    )

  test.each(DIAGNOSES)('name the problem with %s instead of a %s key', (_, expected, input, code, wanted) => {
    const { code: found, message } = parse(expected, input())
    expect(found).toBe(code)
    expect(message).toMatch(wanted)
    expect(message).toMatch(
      expected === 'private' ? /^privateKeys\[7\] [ -~]{10,200}\.$/ : /^peerPublicKeys\[7\] [ -~]{10,200}\.$/,
    )
  })

  test.each(DIAGNOSES)('quote no part of %s instead of a %s key', (_, expected, input) => {
    const value = input()
    const output = runs(printed(parse(expected, value)))
    const leaked = secretsOf(value).flatMap((secret) => [...runs(secret)].filter((run) => output.has(run)))
    expect(leaked).toEqual([])
  })

  test('throw errors without a cause, which could quote the key', () => {
    for (const [, expected, input] of DIAGNOSES) expect(parse(expected, input()).cause).toBeUndefined()
  })

  test('quote no part: the check finds a quoted key', () => {
    const output = runs(printed(new Error(`bad key: ${base64(der(merchantRsa().privateKey)).slice(500, 520)}`)))
    const leaked = secretsOf(privatePem()).flatMap((secret) => [...runs(secret)].filter((run) => output.has(run)))
    // 20 characters have nine substrings of 12. Characters printed behind them can add more by chance.
    expect(leaked.length).toBeGreaterThanOrEqual(9)
  })
})

describe('a parsed key', () => {
  test.each([
    ['PEM', privatePem],
    ['JWK', () => jwk(merchantRsa().privateKey)],
  ])('from %s shows no key material when it is printed', (_, input) => {
    const parsed = parsePrivateKey(input())
    const output = runs(inspect(parsed, { depth: Infinity, showHidden: true }) + JSON.stringify(parsed))
    const key = [base64(der(merchantRsa().privateKey)), ...Object.values(jwk(merchantRsa().privateKey)).map(String)]
    expect(key.flatMap((secret) => [...runs(secret)].filter((run) => output.has(run)))).toEqual([])
  })

  test('from a signer shows no member of the signer when it is printed', () => {
    const signer = { algorithm: 'RSA256', sign: () => new Uint8Array(), token: 'token-of-the-vault' } as const
    const parsed = parsePrivateKey(signer)
    expect(inspect(parsed, { depth: Infinity, showHidden: true }) + JSON.stringify(parsed)).not.toContain('vault')
  })

  test('is rejected as an input with ERR_KEY_FORMAT: as a signer, it would lose its fingerprint', () => {
    const refused = expect.objectContaining({ code: 'ERR_KEY_FORMAT' })
    expect(() => parsePrivateKey(parsePrivateKey(privatePem()))).toThrow(refused)
    expect(() => parsePublicKey(parsePublicKey(publicPem()) as unknown as PublicKeyInput)).toThrow(refused)
  })

  test('does not change its input', () => {
    const bytes = Buffer.from(der(merchantRsa().privateKey))
    const object: JsonWebKey = Object.freeze(jwk(merchantRsa().privateKey))
    parsePrivateKey(bytes)
    parsePrivateKey(object)
    expect(bytes).toEqual(Buffer.from(der(merchantRsa().privateKey)))
  })
})

describe('describeKey', () => {
  test.each([
    ['private', 'RSA256', 2048, privatePem, publicPem],
    ['public', 'RSA256', 2048, publicPem, publicPem],
    ['public', 'RSA256', 2048, () => read('rsa.crt'), publicPem],
    ['private', 'RSA256', 2048, () => jwk(merchantRsa().privateKey), publicPem],
    ['private', 'ECC224', 224, () => merchantEcc().privateKey, () => pem(merchantEcc().publicKey)],
    ['public', 'ECC224', 224, () => der(merchantEcc().publicKey), () => pem(merchantEcc().publicKey)],
  ])(
    'returns kind, algorithm and bits of a %s key for %s, and the fingerprint that openssl prints',
    (kind, algorithm, bits, input, publicKey) => {
      writeFileSync(path('described.pem'), publicKey())
      const spki = openssl('pkey', '-pubin', '-in', 'described.pem', '-outform', 'DER')
      const digest = createHash('sha256').update(spki).digest('hex')
      const { thumbprint, ...described } = describeKey(input())
      expect(described).toEqual({ kind, algorithm, bits, fingerprint: digest })
      expect(typeof thumbprint).toBe(algorithm === 'RSA256' ? 'string' : 'undefined')
    },
  )

  test.each([
    ['a weak key', () => pem(weakRsa().publicKey), 'ERR_KEY_WEAK'],
    ['an encrypted key', () => read('rsa.legacy.pem'), 'ERR_KEY_ENCRYPTED'],
    ['a key over another curve', () => p256().publicKey, 'ERR_KEY_ALGORITHM'],
    ['a secret key', () => createSecretKey(Buffer.alloc(32)), 'ERR_KEY_ALGORITHM'],
    ['text that is not a key', () => 'changeme!', 'ERR_KEY_FORMAT'],
  ])('refuses %s', (_, input, code) => {
    expect(() => describeKey(input())).toThrow(expect.objectContaining({ code }))
  })

  test('returns the thumbprint of the example in RFC 7638', () => {
    const n =
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw'
    const key = { kty: 'RSA', n, e: 'AQAB', alg: 'RS256', kid: '2011-04-29' }
    expect(describeKey(key).thumbprint).toBe('NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
    expect(describeKey({ ...key, n: `1${n.slice(1)}` }).thumbprint).not.toBe(describeKey(key).thumbprint)
  })

  test.each([
    ['of an example key', merchantRsa],
    ['of another key', strangerRsa],
    ['of a key whose exponent is 3', () => generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 })],
  ])('returns the thumbprint that jose computes, for both halves %s', async (_, pair) => {
    const { privateKey, publicKey } = pair()
    const expected = await calculateJwkThumbprint(publicKey)
    expect(describeKey(publicKey).thumbprint).toBe(expected)
    expect(describeKey(pem(privateKey)).thumbprint).toBe(expected)
  })

  test('returns one fingerprint for both halves of a pair, and another for another pair', () => {
    const { privateKey, publicKey } = merchantRsa()
    expect(fingerprintOf(privateKey)).toBe(fingerprintOf(publicKey))
    expect(fingerprintOf(createPublicKey(privateKey))).toBe(fingerprintOf(publicKey))
    expect(fingerprintOf(strangerRsa().publicKey)).not.toBe(fingerprintOf(publicKey))
  })
})
