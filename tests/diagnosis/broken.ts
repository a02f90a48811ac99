import { constants, createHash, type KeyObject, privateEncrypt, type SigningOptions, sign } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { gatewayEcc, gatewayRsa, merchantRsa, strangerRsa } from '../support/keys.ts'
import { bytesOf, CLIENT_ID, encrypted, type Head, NOW, order, PATH, TIME } from '../support/messages.ts'

// Messages that are broken in a known way. They are made with node:crypto alone, so that the tests do not compare the
// library with itself.

/** How a sender signs, and what arrives. Everything that is absent is as the protocol says. */
export interface Broken extends Partial<Head> {
  /** What the sender signs as the body. */
  readonly signed?: string | Uint8Array
  /** The body that arrives. @defaultValue what was signed */
  readonly body?: string | Uint8Array
  /** What arrives of the first line and the headers. */
  readonly received?: Partial<Head> & { readonly headers?: Readonly<Record<string, string | undefined>> }
  readonly key?: KeyObject
  readonly digest?: string
  readonly options?: SigningOptions
  /** The content that is signed, made of the right one. */
  readonly content?: (content: Buffer) => Buffer
  /** The bytes of the signature, made of the right ones. */
  readonly bytes?: (signature: Buffer) => Buffer
  /** The text of the signature in the header. */
  readonly text?: (signature: Buffer) => string
  /** The whole header. */
  readonly header?: (signature: Buffer) => string
  readonly keyVersion?: string
  readonly algorithm?: string
}

export interface CapturedRequest {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: Uint8Array
}

export const JSON_BODY = JSON.stringify(order())
export const BASE64 = (signature: Buffer) => encodeURIComponent(signature.toString('base64'))

export function capture(broken: Broken = {}): CapturedRequest {
  const { signed = JSON_BODY, body = signed, received = {}, key = gatewayRsa().privateKey, digest = 'sha256' } = broken
  const { keyVersion = '1', text = BASE64, bytes = (signature) => signature } = broken
  const head = { method: 'POST', path: PATH, clientId: CLIENT_ID, time: TIME, ...broken }
  const right = Buffer.concat([
    Buffer.from(`${head.method} ${head.path}\n${head.clientId}.${head.time}.`),
    bytesOf(signed),
  ])
  const content = broken.content?.(right) ?? right
  const signature = bytes(sign(digest, content, { key, ...broken.options }))
  const algorithm = broken.algorithm ?? (key.asymmetricKeyType === 'rsa' ? 'RSA256' : 'ECC224')
  const headers = {
    'Client-Id': received.clientId ?? CLIENT_ID,
    'Content-Type': 'application/json; charset=UTF-8',
    'Request-Time': received.time ?? TIME,
    Signature:
      broken.header?.(signature) ?? `algorithm=${algorithm},keyVersion=${keyVersion},signature=${text(signature)}`,
    ...received.headers,
  }
  return {
    method: received.method ?? 'POST',
    path: received.path ?? PATH,
    headers: Object.fromEntries(
      Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
    body: bytesOf(body),
  }
}

/** An order with text that serializers write differently. */
export const rich = () => order({ extInfo: { note: '點心 <b>&</b> 50% = "ok" a/b', b: [1, { z: 1, a: 2 }], a: {} } })
export const RICH = JSON.stringify(rich())

const contentOf = (body: string) => Buffer.from(`POST ${PATH}\n${CLIENT_ID}.${TIME}.${body}`)

/** A body whose signature has a "+" in base64. The key is random, and one signature of 220 has none. */
function bodyWithPlus(): string {
  const hasPlus = (body: string) =>
    sign('sha256', contentOf(body), gatewayRsa().privateKey).toString('base64').includes('+')
  let no = 0
  while (!hasPlus(JSON.stringify({ no }))) no++
  return JSON.stringify({ no })
}

const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest()
const ascii = (text: string) =>
  text.replace(/[^\0-\x7f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
/** The value with the members of every object sorted. */
const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : typeof value === 'object' && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, member]) => [key, sorted(member)]),
        )
      : value
const moved = () => {
  const { requestId, ...rest } = order()
  return { ...rest, requestId }
}
const python = (text: string) => text.replace(/("(?:[^"\\]|\\.)*")|([:,])/g, (_, string, mark) => string ?? `${mark} `)
const utf8AsLatin1 = (text: string) => Buffer.from(Buffer.from(text).toString('latin1'))
const p1363 = (signature: Buffer, size: number) => {
  const numbers = [signature.subarray(4, 4 + (signature[3] ?? 0)), signature.subarray(6 + (signature[3] ?? 0))]
  return Buffer.concat(
    numbers.map((number) =>
      Buffer.from(
        number
          .toString('hex')
          .replace(/^(00)+/, '')
          .padStart(size * 2, '0'),
        'hex',
      ),
    ),
  )
}
/** DER whose numbers have a zero in front that they do not need. */
const looseDer = (signature: Buffer) => {
  const [r, s] = [signature.subarray(4, 4 + (signature[3] ?? 0)), signature.subarray(6 + (signature[3] ?? 0))]
  const numbers = [r, s].map((number) => Buffer.concat([Buffer.of(0x02, number.length + 2, 0, 0), number]))
  const content = Buffer.concat(numbers)
  return Buffer.concat([Buffer.of(0x30, content.length), content])
}
const rawRsa = (key: KeyObject, payload: Buffer) =>
  privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, payload)

const cipher = () => encrypted(bytesOf(order()), merchantRsa().publicKey)
const encryptedTo = (make: (parts: ReturnType<typeof cipher>) => Broken): Broken => {
  const parts = cipher()
  const broken = make(parts)
  const headers = { Encrypt: parts.encrypt, 'Content-Type': 'text/plain; charset=UTF-8', ...broken.received?.headers }
  return { body: parts.body, ...broken, received: { ...broken.received, headers } }
}

export type Case = readonly [code: string, title: string, make: () => Broken]

/** Captures that are broken in one way. */
export const SINGLE: readonly Case[] = [
  ['path', 'a proxy removed everything but the last segment', () => ({ received: { path: '/sync' } })],
  [
    'path',
    'the sender signed the path without the prefix of the gateway',
    () => ({ path: '/orders', received: { path: '/api/v2/orders' } }),
  ],
  [
    'path',
    'the sender signed the path without the query',
    () => ({ path: '/hook', received: { path: '/hook?token=abc' } }),
  ],
  [
    'path',
    'the sender signed the query too',
    () => ({ path: `${PATH}?v=1`, received: { headers: { 'X-Original-URI': `${PATH}?v=1` } } }),
  ],
  [
    'path',
    'the sender signed the decoded path',
    () => ({ path: '/訂單/sync', received: { path: `/${encodeURIComponent('訂單')}/sync` } }),
  ],
  ['path', 'the sender signed a slash at the end', () => ({ path: '/hook/', received: { path: '/hook' } })],
  [
    'path',
    'the sender signed no prefix, and a slash at the end',
    () => ({ path: '/orders/', received: { path: '/shop/orders' } }),
  ],
  [
    'path',
    'the sender signed the URL',
    () => ({ path: `https://shop.example${PATH}`, received: { headers: { Host: 'shop.example' } } }),
  ],
  [
    'path',
    'a proxy wrote the prefix into a header',
    () => ({ path: `/shop${PATH}`, received: { headers: { 'X-Forwarded-Prefix': '/shop' } } }),
  ],
  [
    'client-id',
    'the sender signed the id of another header',
    () => ({ clientId: 'PARTNER-7', received: { headers: { 'Partner-Id': 'PARTNER-7' } } }),
  ],
  ['client-id', 'the sender signed the id in lower case', () => ({ clientId: CLIENT_ID.toLowerCase() })],
  [
    'client-id',
    'the header has another id than the credentials',
    () => ({ clientId: 'OTHER-1', received: { clientId: 'OTHER-1' } }),
  ],
  ['client-id', 'the sender signed no id', () => ({ clientId: '' })],
  ['time', 'the sender signed milliseconds', () => ({ time: String(NOW) })],
  ['time', 'the sender signed UTC with milliseconds', () => ({ time: new Date(NOW).toISOString() })],
  [
    'time',
    'the sender signed the Date header',
    () => ({ time: new Date(NOW).toUTCString(), received: { headers: { Date: new Date(NOW).toUTCString() } } }),
  ],
  ['time', 'the sender took the time twice', () => ({ time: '2024-05-22T09:12:22+08:00' })],
  ['time', 'the sender signed an offset without a colon', () => ({ time: '2024-05-22T09:12:21+0800' })],
  ['method', 'the sender signed the method in lower case', () => ({ method: 'post' })],
  ['method', 'the sender signed GET', () => ({ method: 'GET' })],
  ['method', 'the request is a PUT', () => ({ method: 'PUT', received: { method: 'PUT' } })],
  ['body-whitespace', 'a proxy indented the JSON', () => ({ body: JSON.stringify(order(), null, 2) })],
  [
    'body-whitespace',
    'the sender signed JSON as Python writes it',
    () => ({ signed: python(JSON_BODY), body: JSON_BODY }),
  ],
  [
    'body-whitespace',
    'the sender signed JSON with four spaces',
    () => ({ signed: JSON.stringify(order(), null, 4), body: JSON_BODY }),
  ],
  ['body-whitespace', 'white space was added around the JSON', () => ({ body: `  ${JSON_BODY}  ` })],
  [
    'body-key-order',
    'the sender signed sorted members',
    () => ({ signed: JSON.stringify(sorted(order())), body: JSON_BODY }),
  ],
  ['body-key-order', 'a gateway sorted the members', () => ({ body: JSON.stringify(sorted(order())) })],
  ['body-key-order', 'one member has moved', () => ({ body: JSON.stringify(moved()) })],
  ['body-escaping', 'the sender signed \\uXXXX', () => ({ signed: ascii(RICH), body: RICH })],
  ['body-escaping', 'something in between wrote \\uXXXX', () => ({ signed: RICH, body: ascii(RICH) })],
  ['body-escaping', 'the sender signed \\/', () => ({ signed: RICH.replaceAll('/', '\\/'), body: RICH })],
  [
    'body-escaping',
    'the sender signed as PHP writes it',
    () => ({ signed: ascii(RICH.replaceAll('/', '\\/')), body: RICH }),
  ],
  ['body-charset', 'UTF-8 was read as Latin-1 on the way', () => ({ signed: RICH, body: utf8AsLatin1(RICH) })],
  ['body-charset', 'the sender signed UTF-8 read as Latin-1', () => ({ signed: utf8AsLatin1(RICH), body: RICH })],
  [
    'body-charset',
    'the sender signed Latin-1',
    () => ({ signed: Buffer.from('{"a":"café"}', 'latin1'), body: '{"a":"café"}' }),
  ],
  [
    'body-charset',
    'the sender signed Windows-1252',
    () => ({ signed: Buffer.from('7b2261223a2280227d', 'hex'), body: '{"a":"€"}' }),
  ],
  [
    'body-charset',
    'the body arrived in Windows-1252',
    () => ({ signed: '{"a":"€"}', body: Buffer.from('7b2261223a2280227d', 'hex') }),
  ],
  [
    'body-charset',
    'the body arrived in Latin-1',
    () => ({ signed: '{"a":"café"}', body: Buffer.from('{"a":"café"}', 'latin1') }),
  ],
  [
    'body-charset',
    'the sender signed U+FFFD',
    () => ({ signed: '{"a":"caf\uFFFD"}', body: Buffer.from('{"a":"café"}', 'latin1') }),
  ],
  [
    'body-charset',
    'the body arrived in GBK',
    () => ({ signed: '{"a":"奶茶"}', body: Buffer.from('7b2261223a22c4ccb2e8227d', 'hex') }),
  ],
  [
    'body-charset',
    'the sender signed "?" for Chinese characters',
    () => ({ signed: Buffer.from(RICH.replace(/[^\0-\x7f]/g, '?')), body: RICH }),
  ],
  [
    'body-charset',
    'the sender signed Big5',
    () => ({
      signed: Buffer.concat([Buffer.from('{"a":"'), Buffer.from('c249a4df', 'hex'), Buffer.from('"}')]),
      body: '{"a":"點心"}',
    }),
  ],
  ['body-bom', 'something put a byte order mark in front', () => ({ body: `\uFEFF${JSON_BODY}` })],
  ['body-bom', 'the sender signed a byte order mark', () => ({ signed: `\uFEFF${JSON_BODY}`, body: JSON_BODY })],
  ['body-newline', 'something added a line break', () => ({ body: `${JSON_BODY}\n` })],
  ['body-newline', 'the sender signed a line break', () => ({ signed: `${JSON_BODY}\n`, body: JSON_BODY })],
  [
    'body-newline',
    'LF became CRLF',
    () => ({
      signed: JSON.stringify(order(), null, 2),
      body: JSON.stringify(order(), null, 2).replaceAll('\n', '\r\n'),
    }),
  ],
  ['body-base64', 'the body arrived as base64', () => ({ body: Buffer.from(JSON_BODY).toString('base64') })],
  [
    'body-base64',
    'the sender signed base64',
    () => ({ signed: Buffer.from(JSON_BODY).toString('base64'), body: JSON_BODY }),
  ],
  ['body-json-string', 'the JSON was serialized twice', () => ({ body: JSON.stringify(JSON_BODY) })],
  [
    'body-json-string',
    'the sender signed the JSON in a string',
    () => ({ signed: JSON.stringify(JSON_BODY), body: JSON_BODY }),
  ],
  ['body-url-encoded', 'the body was URL-encoded', () => ({ body: encodeURIComponent(JSON_BODY) })],
  ['body-empty', 'the sender signed no body', () => ({ signed: '', body: JSON_BODY })],
  ['body-empty', 'the body was lost', () => ({ body: '' })],
  ['body-empty', 'the sender signed [object Object]', () => ({ signed: '[object Object]', body: JSON_BODY })],
  [
    'body-compressed',
    'the body was compressed after it was signed',
    () => ({ body: gzipSync(JSON_BODY), received: { headers: { 'Content-Encoding': 'gzip' } } }),
  ],
  ['body-compressed', 'the body was decompressed on the way', () => ({ signed: gzipSync(JSON_BODY), body: JSON_BODY })],
  [
    'signature-encoding',
    'the signature is URL-encoded twice',
    () => ({ text: (signature) => encodeURIComponent(BASE64(signature)) }),
  ],
  [
    'signature-encoding',
    'a form decoder turned + into spaces',
    () => ({ signed: bodyWithPlus(), text: (signature) => signature.toString('base64').replaceAll('+', ' ') }),
  ],
  ['signature-encoding', 'the signature is hex', () => ({ text: (signature) => signature.toString('hex') })],
  [
    'signature-encoding',
    'the signature is base64 twice',
    () => ({ text: (signature) => BASE64(Buffer.from(signature.toString('base64'))) }),
  ],
  [
    'signature-encoding',
    'the signature is in quotes',
    () => ({ text: (signature) => `"${signature.toString('base64')}"` }),
  ],
  [
    'signature-encoding',
    'the header is the bare signature',
    () => ({ header: (signature) => signature.toString('base64') }),
  ],
  [
    'signature-form',
    'the bytes of an RSA signature are reversed',
    () => ({ bytes: (signature) => signature.reverse() }),
  ],
  [
    'signature-form',
    'a P1363 signature has 64 bytes',
    () => ({ key: gatewayEcc().privateKey, bytes: (signature) => p1363(signature, 32) }),
  ],
  ['signature-form', 'DER has zeros that it does not need', () => ({ key: gatewayEcc().privateKey, bytes: looseDer })],
  ['digest', 'the signature is SHA-1', () => ({ digest: 'sha1' })],
  ['digest', 'the signature is SHA-512', () => ({ digest: 'sha512' })],
  ['digest', 'a KMS hashed the digest again', () => ({ content: sha256 })],
  [
    'digest',
    'the sender signed the digest in hex',
    () => ({ content: (content) => Buffer.from(sha256(content).toString('hex')) }),
  ],
  [
    'digest',
    'the digest has no DigestInfo',
    () => ({
      bytes: () => rawRsa(gatewayRsa().privateKey, sha256(contentOf(JSON_BODY))),
    }),
  ],
  ['digest', 'the ECC signature is SHA-1', () => ({ key: gatewayEcc().privateKey, digest: 'sha1' })],
  [
    'padding',
    'the signature is PSS',
    () => ({ options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } }),
  ],
  [
    'padding',
    'the signature is PSS with the longest salt',
    () => ({ options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN } }),
  ],
  [
    'padding',
    'the signature is PSS without a salt',
    () => ({ options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 0 } }),
  ],
  ['key-version', 'the header names a version that is not configured', () => ({ keyVersion: '2' })],
  ['key-version', 'the header names another configured version', () => ({ keyVersion: '7' })],
  ['wrong-key-of-ours', 'the message was signed with our own key', () => ({ key: merchantRsa().privateKey })],
  ['plaintext-signed', 'the plaintext was signed', () => encryptedTo(() => ({ signed: bytesOf(order()) }))],
  [
    'body-base64',
    'the ciphertext was signed before base64',
    () => encryptedTo(({ body }) => ({ signed: Buffer.from(Buffer.from(body).toString(), 'base64') })),
  ],
  [
    'body-newline',
    'the base64 of the ciphertext was wrapped on the way',
    () =>
      encryptedTo(({ body }) => ({
        signed: body,
        body: (
          Buffer.from(body)
            .toString()
            .match(/.{1,76}/g) ?? []
        ).join('\r\n'),
      })),
  ],
  ['algorithm', 'the header names ECC224, and the key is RSA', () => ({ algorithm: 'ECC224' })],
  ['algorithm', 'the header names the algorithm of Java', () => ({ algorithm: 'SHA256withRSA' })],
  [
    'signed-content',
    'the sender signed CRLF between the lines',
    () => ({ content: (content) => Buffer.from(content.toString().replace('\n', '\r\n')) }),
  ],
  ['signed-content', 'the sender signed the body alone', () => ({ content: () => Buffer.from(JSON_BODY) })],
  [
    'header',
    'the Content-Type is that of a form',
    () => ({ received: { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } } }),
  ],
  ['header', 'the Signature header is missing', () => ({ received: { headers: { Signature: undefined } } })],
  [
    'expired',
    'the message is an hour old',
    () => ({ time: '2024-05-22T08:12:21+08:00', received: { time: '2024-05-22T08:12:21+08:00' } }),
  ],
  [
    'expired',
    'the clock of the sender is ahead',
    () => ({ time: '2024-05-22T09:42:21+08:00', received: { time: '2024-05-22T09:42:21+08:00' } }),
  ],
]

const OLD = '2024-05-22T08:12:21+08:00'

export type DoubleCase = readonly [codes: readonly [string, string], title: string, make: () => Broken]

/** Captures that are broken in two ways. */
export const DOUBLE: readonly DoubleCase[] = [
  [
    ['path', 'body-newline'],
    'a proxy and an editor',
    () => ({ path: '/hook', received: { path: '/hook?a=1' }, body: `${JSON_BODY}\n` }),
  ],
  [
    ['path', 'body-whitespace'],
    'a gateway with a prefix that reformats',
    () => ({ path: '/orders', received: { path: '/v1/orders' }, body: JSON.stringify(order(), null, 2) }),
  ],
  [
    ['path', 'time'],
    'the wrong path and the wrong form of the time',
    () => ({ path: '/hook/', received: { path: '/hook' }, time: String(NOW) }),
  ],
  [['path', 'key-version'], 'a proxy during a rotation', () => ({ received: { path: '/sync' }, keyVersion: '2' })],
  [
    ['path', 'signature-encoding'],
    'a gateway that also encodes headers',
    () => ({ received: { path: '/sync' }, text: (signature) => encodeURIComponent(BASE64(signature)) }),
  ],
  [['path', 'digest'], 'SHA-1 over another path', () => ({ received: { path: '/sync' }, digest: 'sha1' })],
  [['path', 'method'], 'GET over another path', () => ({ method: 'GET', received: { path: '/sync' } })],
  [
    ['path', 'client-id'],
    'lower case and another path',
    () => ({ clientId: CLIENT_ID.toLowerCase(), received: { path: '/sync' } }),
  ],
  [['path', 'expired'], 'another path, an hour ago', () => ({ time: OLD, received: { path: '/sync', time: OLD } })],
  [['client-id', 'time'], 'no id, and UTC', () => ({ clientId: '', time: new Date(NOW).toISOString() })],
  [
    ['body-whitespace', 'body-escaping'],
    'a Python program serializes twice',
    () => ({ signed: ascii(python(RICH)), body: RICH }),
  ],
  [
    ['body-whitespace', 'body-key-order'],
    'Python with sort_keys',
    () => ({ signed: python(JSON.stringify(sorted(order()))), body: JSON_BODY }),
  ],
  [
    ['body-escaping', 'body-key-order'],
    'sorted, with \\uXXXX',
    () => ({ signed: ascii(JSON.stringify(sorted(rich()))), body: RICH }),
  ],
  [['body-bom', 'body-newline'], 'an editor of Windows', () => ({ body: `\uFEFF${JSON_BODY}\r\n` })],
  [
    ['body-bom', 'body-whitespace'],
    'a byte order mark, and reformatted',
    () => ({ body: `\uFEFF${JSON.stringify(order(), null, 2)}` }),
  ],
  [
    ['body-base64', 'body-newline'],
    'base64 with a line break',
    () => ({ signed: `${JSON_BODY}\n`, body: Buffer.from(JSON_BODY).toString('base64') }),
  ],
  [
    ['body-json-string', 'body-whitespace'],
    'serialized twice, and reformatted',
    () => ({ signed: JSON.stringify(order(), null, 2), body: JSON.stringify(JSON_BODY) }),
  ],
  [
    ['body-compressed', 'path'],
    'compressed, and another path',
    () => ({ body: gzipSync(JSON_BODY), received: { path: '/sync' } }),
  ],
  [
    ['body-charset', 'path'],
    'Latin-1, and another path',
    () => ({ signed: RICH, body: utf8AsLatin1(RICH), received: { path: '/sync' } }),
  ],
  [
    ['wrong-key-of-ours', 'path'],
    'our own key, and another path',
    () => ({ key: merchantRsa().privateKey, received: { path: '/sync' } }),
  ],
  [
    ['padding', 'digest'],
    'PSS with SHA-1',
    () => ({ digest: 'sha1', options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 20 } }),
  ],
  [
    ['padding', 'body-newline'],
    'PSS, and a line break',
    () => ({ options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }, body: `${JSON_BODY}\n` }),
  ],
  [
    ['signature-form', 'path'],
    'ECC, 64 bytes, and another path',
    () => ({ key: gatewayEcc().privateKey, bytes: (signature) => p1363(signature, 32), received: { path: '/sync' } }),
  ],
  [
    ['path', 'body-newline'],
    'ECC, a proxy and an editor',
    () => ({ key: gatewayEcc().privateKey, body: `${JSON_BODY}\n`, received: { path: '/sync' } }),
  ],
  [
    ['digest', 'path'],
    'ECC with SHA-1, and another path',
    () => ({ key: gatewayEcc().privateKey, digest: 'sha1', received: { path: '/sync' } }),
  ],
  [
    ['digest', 'body-newline'],
    'ECC with SHA-1, and a line break',
    () => ({ key: gatewayEcc().privateKey, digest: 'sha1', body: `${JSON_BODY}\n` }),
  ],
  [['key-version', 'digest'], 'SHA-1 during a rotation', () => ({ keyVersion: '2', digest: 'sha1' })],
  [
    ['plaintext-signed', 'path'],
    'the plaintext, and another path',
    () => encryptedTo(() => ({ signed: bytesOf(order()), received: { path: '/sync' } })),
  ],
  [['time', 'body-newline'], 'milliseconds and a line break', () => ({ time: String(NOW), body: `${JSON_BODY}\n` })],
  [
    ['digest', 'body-whitespace'],
    'the digest of the digest of reformatted JSON',
    () => ({ content: sha256, body: JSON.stringify(order(), null, 2) }),
  ],
]

/** Captures for which there is no change. */
export const UNEXPLAINED: readonly (readonly [title: string, make: () => Broken])[] = [
  ['another key', () => ({ key: strangerRsa().privateKey })],
  ['another amount', () => ({ body: JSON_BODY.replace('1000', '9000') })],
  ['another path without a common form', () => ({ path: '/one', received: { path: '/two' } })],
  [
    'a signature with one bit changed',
    () => ({
      bytes: (signature) => Buffer.concat([signature.subarray(0, -1), Buffer.of((signature.at(-1) ?? 0) ^ 1)]),
    }),
  ],
]
