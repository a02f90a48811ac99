import { createPrivateKey, createPublicKey, type JsonWebKeyInput, KeyObject, X509Certificate } from 'node:crypto'
import { ConfigurationError } from '../errors.ts'
import { decodeAnyBase64 } from '../protocol/encoding.ts'
import { type DerShape, derShape } from './der.ts'
import { assertStrictJwk, malformedJwk } from './jwk.ts'

/** Which half of a key pair. */
export type KeyKind = 'private' | 'public'

/**
 * Parses a key with `node:crypto`, in any form except a CryptoKey or a signer.
 *
 * @param kind The half that is expected; undefined accepts both.
 * @param name The name of the key in error messages.
 * @throws {@link ConfigurationError} `ERR_KEY_FORMAT`, `ERR_KEY_KIND`, `ERR_KEY_ENCRYPTED`, `ERR_KEY_ALGORITHM`
 */
export function toKeyObject(input: unknown, kind: KeyKind | undefined, name: string): KeyObject {
  if (input instanceof KeyObject) return ofKind(input, kind, name)
  if (typeof input === 'string') return fromText(input, kind, name)
  if (input instanceof Uint8Array) return fromBytes(input, kind, name)
  if (isRecord(input) && ('kty' in input || isJwkSet(input))) return fromJwk(input, kind, name)
  throw new ConfigurationError(
    'ERR_KEY_FORMAT',
    `${name} is ${input === null ? 'null' : typeof input}; pass PEM text, base64 or DER bytes, a JWK, a KeyObject or a CryptoKey.`,
  )
}

function fromText(text: string, kind: KeyKind | undefined, name: string): KeyObject {
  // trim() also removes a byte order mark.
  const plain = text
    .replaceAll('\\r', '')
    .replaceAll('\\n', '\n')
    .trim()
    .replace(/^(["'`])([\s\S]*)\1$/, '$2')
    .trim()
  if (plain === '') throw malformed(name, 'is empty; set the environment variable or the secret')
  if (plain.startsWith('{')) return fromJwkText(plain, kind, name)
  if (plain.includes('-----BEGIN')) return fromDer(decodePem(plain, name), kind, name)
  if (/^(ssh-|ecdsa-)/.test(plain))
    throw malformed(name, 'is in OpenSSH form; convert it: ssh-keygen -e -m PKCS8 -f FILE')
  // Before base64: a path can be valid base64 by chance. A key is never taken for a path: its base64 starts with M or L.
  if (looksLikePath(text.trim())) {
    throw malformed(name, 'looks like the path of a file; read the file and pass its content')
  }
  const bytes = decodeAnyBase64(plain.replace(/\s+/g, ''))
  if (bytes === undefined) throw malformed(name, 'is neither PEM nor the base64 of a key; it may have been cut off')
  return fromBytes(bytes, kind, name)
}

function looksLikePath(text: string): boolean {
  return (
    /^([./~]|[a-z]:[\\/]|file:)[^\n]{0,255}$/i.test(text) ||
    /^[^\n]{1,250}\.(pem|key|der|crt|cer|p8|jwk|json|txt)$/i.test(text)
  )
}

/** DER is a SEQUENCE. Other bytes are text: the content of a file, or PEM in another layer of base64. */
function fromBytes(bytes: Uint8Array, kind: KeyKind | undefined, name: string): KeyObject {
  return bytes[0] === 0x30 ? fromDer(bytes, kind, name) : fromText(new TextDecoder().decode(bytes), kind, name)
}

/** Five hyphens end the content. Fewer occur in the headers of an encrypted key. */
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----((?:[^-]|-(?!----))*)-----END \1-----/g

function decodePem(text: string, name: string): Uint8Array {
  const blocks = [...text.matchAll(PEM_BLOCK)].filter(([, label]) => label !== 'EC PARAMETERS')
  const [first] = blocks
  if (first === undefined) throw malformed(name, 'is PEM without a matching END line; it may have been cut off')
  const [, label = '', content = ''] = first
  // The certificates of the issuers may follow; the first one holds the key.
  if (blocks.length > 1 && !blocks.every(([, label]) => label === 'CERTIFICATE')) {
    throw malformed(name, `holds ${blocks.length} PEM blocks; pass the one that is meant`)
  }
  if (label === 'ENCRYPTED PRIVATE KEY' || content.includes('Proc-Type:')) throw encrypted(name)
  if (label === 'OPENSSH PRIVATE KEY') {
    throw malformed(name, 'is in OpenSSH form; convert it: ssh-keygen -p -m PKCS8 -f FILE')
  }
  const bytes = decodeAnyBase64(content.replace(/\s+/g, ''))
  if (bytes === undefined) throw malformed(name, 'is PEM whose content is not base64')
  return bytes
}

const KINDS: Readonly<Record<Exclude<DerShape, 'encrypted' | 'pkcs12'>, KeyKind>> = {
  pkcs8: 'private',
  'pkcs1-private': 'private',
  sec1: 'private',
  spki: 'public',
  'pkcs1-public': 'public',
  certificate: 'public',
}

/** Ignores the label of the PEM block: PKCS#8 content under "RSA PRIVATE KEY" is common. */
function fromDer(der: Uint8Array, kind: KeyKind | undefined, name: string): KeyObject {
  const shape = derShape(der)
  if (shape === undefined)
    throw malformed(name, 'is no PKCS#8, PKCS#1, SEC 1, SPKI or X.509 structure; it may have been cut off')
  if (shape === 'encrypted') throw encrypted(name)
  if (shape === 'pkcs12') {
    throw malformed(name, 'is a PKCS#12 bundle; extract the key: openssl pkcs12 -in FILE -nodes -nocerts')
  }
  if (kind !== undefined && KINDS[shape] !== kind)
    throw wrongKind(kind, shape === 'certificate' ? shape : KINDS[shape], name)
  try {
    return parseShape(der, shape)
  } catch {
    // No cause: an error message of OpenSSL might quote the key.
    throw malformed(name, `has the outer form of ${shape} but its content cannot be parsed`)
  }
}

function parseShape(der: Uint8Array, shape: keyof typeof KINDS): KeyObject {
  const key = Buffer.from(der)
  if (shape === 'certificate') return new X509Certificate(key).publicKey
  if (shape === 'spki') return createPublicKey({ key, format: 'der', type: 'spki' })
  if (shape === 'pkcs1-public') return createPublicKey({ key, format: 'der', type: 'pkcs1' })
  return createPrivateKey({ key, format: 'der', type: shape === 'pkcs1-private' ? 'pkcs1' : shape })
}

function fromJwkText(text: string, kind: KeyKind | undefined, name: string): KeyObject {
  let jwk: unknown
  try {
    jwk = JSON.parse(text)
  } catch {
    throw malformed(name, 'begins like JSON but is not')
  }
  return fromJwk(jwk, kind, name)
}

function fromJwk(jwk: unknown, kind: KeyKind | undefined, name: string): KeyObject {
  if (isJwkSet(jwk)) throw malformed(name, 'is a JWK set; use importJwkSet() for it')
  if (!isRecord(jwk) || (jwk['kty'] !== 'RSA' && jwk['kty'] !== 'EC')) {
    throw new ConfigurationError('ERR_KEY_ALGORITHM', `${name} is a JWK whose "kty" is not RSA.`)
  }
  if (jwk['kty'] === 'EC') {
    // RFC 7518 registers no name for secp224r1, so runtimes cannot import it.
    throw new ConfigurationError(
      'ERR_KEY_ALGORITHM',
      `${name} is an EC JWK, but JWK has no name for secp224r1; pass PEM.`,
    )
  }
  const found = 'd' in jwk ? 'private' : 'public'
  if (kind !== undefined && found !== kind) throw wrongKind(kind, found, name)
  const subject = `${name} is a JWK with`
  assertStrictJwk(jwk, subject)
  try {
    // Not jose, which only imports asynchronously: a wrong key must stop the process at start. See docs/decisions/0001.
    const input: JsonWebKeyInput = { key: jwk, format: 'jwk' }
    return found === 'private' ? createPrivateKey(input) : createPublicKey(input)
  } catch {
    throw malformedJwk(subject)
  }
}

function ofKind(key: KeyObject, kind: KeyKind | undefined, name: string): KeyObject {
  if (kind !== undefined && key.type !== kind) throw wrongKind(kind, key.type, name)
  return key
}

function isJwkSet(input: unknown): boolean {
  return isRecord(input) && Array.isArray(input['keys'])
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function malformed(name: string, why: string): ConfigurationError {
  return new ConfigurationError('ERR_KEY_FORMAT', `${name} ${why}.`)
}

function encrypted(name: string): ConfigurationError {
  return new ConfigurationError(
    'ERR_KEY_ENCRYPTED',
    `${name} is an encrypted private key; decrypt it first: openssl pkey -in FILE -out FILE.`,
  )
}

export function wrongKind(wanted: KeyKind, found: string, name: string): ConfigurationError {
  return new ConfigurationError(
    'ERR_KEY_KIND',
    `${name} is a ${found}${found === 'certificate' ? '' : ' key'}; a ${wanted} key was expected.`,
  )
}
