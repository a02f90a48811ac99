import { createPrivateKey, createPublicKey, type JsonWebKeyInput, KeyObject, X509Certificate } from 'node:crypto'
import { ConfigurationError } from '../errors.ts'
import { decodeAnyBase64, decodeUtf8 } from '../protocol/encoding.ts'
import { type DerShape, derProblem, derShape, isCertificateRequest, isPkcs7 } from './der.ts'
import { assertStrictJwk, malformedJwk } from './jwk.ts'
import { nameBinary, nameFormat, nameJson, nameMisfit, namePem, nameReference, plusesLost } from './key-names.ts'
import { repairKeyText, unquote, withoutTerminator } from './key-text.ts'

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
  const plain = repairKeyText(text)
  if (plain === '') throw malformed(name, 'is empty; set the environment variable or the secret')
  // Other text may surround PEM: a comment, a template, a page.
  if (HAS_KEY_BLOCK.test(plain) && !/^[{[]/.test(plain)) return fromDer(decodePem(plain, name), kind, name)
  // A template like {{ KEY }} begins like JSON.
  const trimmed = unquote(text)
  const reference = nameReference(trimmed)
  if (reference !== undefined) throw malformed(name, reference)
  if (plain.startsWith('{')) return fromJwkText(plain, kind, name)
  if (/^\[\s*["{]/.test(plain)) throw malformed(name, nameList(plain))
  const format = nameFormat(plain)
  if (format !== undefined) throw malformed(name, format)
  if (/-{3,}\s*(?:BEGIN|END)\b/i.test(plain)) return fromDer(decodePem(plain, name), kind, name)
  // Before base64: a path can be valid base64 by chance. A key is never taken for a path: its base64 starts with M or L.
  if (looksLikePath(trimmed)) {
    throw malformed(name, 'looks like the path of a file; read the file and pass its content')
  }
  const bytes = decodeAnyBase64(plain.replace(/\s+/g, ''))
  if (bytes === undefined || isHex(plain)) throw malformed(name, nameWord(plain))
  if (bytes[0] === 0x30 && derShape(bytes) === undefined && plusesLost(plain)) throw malformed(name, PLUSES_LOST)
  return fromBytes(bytes, kind, name)
}

const PLUSES_LOST = 'has spaces where "+" was; it was URL-decoded once too often'

/** Hex digits are also valid base64, but DER in hex begins with 30. */
function isHex(text: string): boolean {
  return /^(?:0x)?30[0-9a-f]{60,}$/i.test(text.replace(/[\s:]+/g, ''))
}

/** Short texts and texts in other characters are not damaged keys. */
function nameWord(plain: string): string {
  if (/^(?!MI)[A-Za-z_][\w.]{0,63}=\s*\S/.test(plain) && /=\s*["']?(?:MI|LS0t|-----)/.test(plain)) {
    return 'is a line NAME=VALUE; pass the value alone'
  }
  const isKeyLike = /^(?:MI|LS0t)/.test(plain) || plain.length > 200
  const misfit = nameMisfit(plain, isKeyLike ? 'is the base64 of a key, but' : '')
  if (isKeyLike)
    return misfit.replace('is the base64 of a key, but is ', 'is ').replace('is the base64 of a key, but has ', 'has ')
  if (misfit.includes('complete base64')) {
    return `is neither PEM nor the base64 of a key; it has ${plain.length} characters, and a key has hundreds`
  }
  return `is neither PEM nor the base64 of a key; it${misfit}`
}

function nameList(plain: string): string {
  try {
    const value: unknown = JSON.parse(plain)
    if (isRecord(value)) return nameJson(value) ?? 'is a JSON list; pass one key'
  } catch {
    // The error of JSON.parse() quotes the text.
  }
  return 'begins like a JSON list but is not; pass one key'
}

function looksLikePath(text: string): boolean {
  return (
    /^([./~]|[a-z]:[\\/]|file:)[^\n]{0,255}$/i.test(text) ||
    /^[^\n]{1,250}\.(pem|key|der|crt|cer|p8|p12|pfx|jks|jwk|json|txt|pub)$/i.test(text)
  )
}

/** DER begins with a SEQUENCE. Other bytes are text: the content of a file, or PEM inside base64. */
function fromBytes(bytes: Uint8Array, kind: KeyKind | undefined, name: string): KeyObject {
  if (bytes.length === 0) throw malformed(name, 'is empty; set the environment variable or the secret')
  // 0x30 is also the digit 0. The second byte of truncated DER is not a character, which distinguishes it from text.
  if (bytes[0] === 0x30 && !isText(bytes)) return fromDer(bytes, kind, name)
  const text = textOf(bytes)
  if (text === undefined) throw malformed(name, nameBinary(bytes))
  return fromText(text, kind, name)
}

function isText(bytes: Uint8Array): boolean {
  const text = withoutTerminator(decodeUtf8(bytes) ?? '')
  return text !== '' && !/[^\P{Cc}\t\r\n]/u.test(text)
}

/** UTF-8, or UTF-16 with a byte order mark; undefined for binary data. PEM may have bytes of another charset around it. */
function textOf(bytes: Uint8Array): string | undefined {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes)
  if (first === 0xfe && second === 0xff)
    return Buffer.from(bytes.subarray(2, bytes.length & ~1))
      .swap16()
      .toString('utf16le')
  if (isText(bytes)) return decodeUtf8(bytes)
  return Buffer.from(bytes).toString('latin1').includes('-----BEGIN') ? new TextDecoder().decode(bytes) : undefined
}

/** A whole block of PEM that can hold a key. */
const HAS_KEY_BLOCK = /-----BEGIN ((?:[A-Z0-9]+ )*(?:PRIVATE KEY|PUBLIC KEY|CERTIFICATE))-----[^-&%]*-----END \1-----/

/** Five hyphens end the content. Fewer occur in the headers of an encrypted key. */
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----((?:[^-]|-(?!----))*)-----END \1-----/g

function decodePem(text: string, name: string): Uint8Array {
  const blocks = [...text.matchAll(PEM_BLOCK)].filter(([, label]) => label !== 'EC PARAMETERS')
  const [first] = blocks
  if (first === undefined) throw malformed(name, namePem(text))
  const [, label = '', content = ''] = first
  // The certificates of the issuers may follow; the first one holds the key.
  if (blocks.length > 1 && !blocks.every(([, label]) => label === 'CERTIFICATE')) {
    throw malformed(name, `has ${blocks.length} PEM blocks; pass only the right one`)
  }
  if (label === 'ENCRYPTED PRIVATE KEY' || content.includes('Proc-Type:')) throw encrypted(name)
  if (label === 'OPENSSH PRIVATE KEY') {
    throw malformed(name, 'is in OpenSSH form; convert it: ssh-keygen -p -m PKCS8 -f FILE')
  }
  const bytes = decodeAnyBase64(content.replace(/\s+/g, ''))
  if (isHex(content)) throw malformed(name, 'is PEM whose content is hex; convert it: xxd -r -p')
  if (bytes === undefined) {
    if (/^n[\w+/]/.test(content) || /^-+\s|\s-+$/.test(content)) throw malformed(name, namePem(text))
    throw malformed(
      name,
      content.trim() === '' ? 'is PEM without content' : nameMisfit(content.trim(), 'is PEM whose content'),
    )
  }
  if (derShape(bytes) === undefined) {
    if (plusesLost(content)) throw malformed(name, PLUSES_LOST)
    if (bytes.length === 0) throw malformed(name, 'is PEM without content')
  }
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
  if (shape === undefined) throw malformed(name, nameDer(der))
  if (shape === 'encrypted') throw encrypted(name)
  if (shape === 'pkcs12') {
    throw malformed(name, 'is a PKCS#12 bundle; extract the key: openssl pkcs12 -in FILE -nodes -nocerts')
  }
  if (kind !== undefined && KINDS[shape] !== kind)
    throw wrongKind(kind, shape === 'certificate' ? shape : KINDS[shape], name)
  try {
    return parseShape(der, shape)
  } catch {
    if (shape === 'certificate' && isCertificateRequest(der)) {
      throw malformed(name, 'is a certificate request (CSR); pass the key or the certificate')
    }
    // No cause: an error message of OpenSSL might quote the key.
    throw malformed(name, `has the outer form of ${shape} but its content cannot be parsed`)
  }
}

/** Why DER is not a key. */
function nameDer(der: Uint8Array): string {
  const problem = derProblem(der)
  if (problem?.isCut) return `has the beginning of a key; ${problem.text}`
  if (problem !== undefined) return `is no whole PKCS#8, PKCS#1, SEC 1, SPKI or X.509 structure; ${problem.text}`
  if (isPkcs7(der))
    return 'is a PKCS#7 bundle; extract the certificate: openssl pkcs7 -inform DER -print_certs -in FILE'
  return 'is DER, but no PKCS#8, PKCS#1, SEC 1, SPKI or X.509 structure; it may be another kind of key'
}

function parseShape(der: Uint8Array, shape: keyof typeof KINDS): KeyObject {
  const key = Buffer.from(der)
  if (shape === 'certificate') return new X509Certificate(key).publicKey
  if (shape === 'spki') return createPublicKey({ key, format: 'der', type: 'spki' })
  if (shape === 'pkcs1-public') return createPublicKey({ key, format: 'der', type: 'pkcs1' })
  return createPrivateKey({ key, format: 'der', type: shape === 'pkcs1-private' ? 'pkcs1' : shape })
}

function fromJwkText(text: string, kind: KeyKind | undefined, name: string): KeyObject {
  const value =
    parseJsonObject(text) ?? parseJsonObject(text.replace(/\\+r/g, '').replace(/\\+n/g, '\n').replace(/\\+"/g, '"'))
  if (value === undefined) throw malformed(name, 'begins like JSON but is not')
  if (!('kty' in value) && !isJwkSet(value)) {
    const member = nameJson(value)
    if (member !== undefined) throw malformed(name, member)
  }
  return fromJwk(value, kind, name)
}

function parseJsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
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
