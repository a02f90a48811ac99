import { brotliDecompressSync, gunzipSync, gzipSync, inflateRawSync, inflateSync } from 'node:zlib'
import { decodeAnyBase64, decodeUtf8, encodeBase64, encodeUtf8 } from '../../protocol/encoding.ts'
import type { CauseCode, Change } from '../change.ts'
import { charsetChanges } from './charset.ts'
import { escapingChanges, jsonLayoutChanges, orderChanges, spaceChanges, textChange } from './json.ts'

const BOM = '\uFEFF'
const BOM_BYTES = Uint8Array.of(0xef, 0xbb, 0xbf)

/** What is known about the body in addition to its bytes. */
export interface BodyFacts {
  /** The maximum number of decompressed bytes. */
  readonly maxBodyBytes: number
  /** Changes of the JSON format are not tested on a larger body. */
  readonly maxRewrittenBytes: number
  /** The body after decryption, if it is encrypted and a configured key decrypts it. */
  readonly plaintext: Uint8Array | undefined
}

/** Bodies that the sender may have signed instead of the received one. The more specific changes come first. */
export function bodyChanges(body: Uint8Array, facts: BodyFacts): Change[] {
  return [
    ...plaintextChanges(facts.plaintext),
    bytes('body-empty', 1, 'The sender signed an empty body. Sign the body that is sent.', (from) =>
      from.length > 0 ? new Uint8Array() : undefined,
    ),
    ...newlineChanges(),
    ...bomChanges(),
    ...compressionChanges(facts.maxBodyBytes),
    ...spaceChanges(),
    ...(body.length > facts.maxRewrittenBytes
      ? []
      : [...jsonLayoutChanges(), ...escapingChanges(), ...orderChanges(body)]),
    ...base64Changes(),
    ...wrappingChanges(),
    ...charsetChanges(),
    ...placeholderChanges(),
  ]
}

function bytes(
  code: CauseCode,
  cost: number,
  fix: string,
  convert: (body: Uint8Array) => Uint8Array | undefined,
): Change {
  return {
    code,
    part: 'body',
    cost,
    fix,
    apply(parts) {
      const body = convert(parts.body)
      return body === undefined || Buffer.compare(body, parts.body) === 0 ? undefined : { ...parts, body }
    },
  }
}

function plaintextChanges(plaintext: Uint8Array | undefined): Change[] {
  if (plaintext === undefined) return []
  const fix =
    'The sender signed the plaintext of the encrypted body. Encrypt first, then sign the base64 text of the ciphertext that is sent.'
  return [bytes('plaintext-signed', 1, fix, () => plaintext)]
}

function newlineChanges(): Change[] {
  const change = (cost: number, what: string, rewrite: (text: string) => string) =>
    textChange(
      {
        code: 'body-newline',
        cost,
        fix: `The sender signed the body ${what}. Sign the bytes that are sent; editors, "echo" and "curl -d @file" change line breaks: use printf and --data-binary.`,
      },
      rewrite,
    )
  return [
    change(1, 'without the line break at its end', (text) => text.replace(/\r?\n$/, '')),
    change(1, 'with a line break at its end, which was lost', (text) => `${text}\n`),
    change(1, 'with LF line breaks, but CRLF arrived', (text) => text.replaceAll('\r\n', '\n')),
    change(1, 'with CRLF line breaks, but LF arrived', (text) => text.replace(/\r?\n/g, '\r\n')),
    change(2, 'with CRLF at its end, which was lost', (text) => `${text}\r\n`),
    change(1, 'without the line breaks at its end', (text) => text.replace(/(?<![\r\n])[\r\n]+$/, '')),
    change(1, 'without line breaks', (text) => text.replace(/[\r\n]+/g, '')),
    change(2, 'in lines of 76 characters', (text) => wrap(text, 76, '\r\n')),
    change(2, 'in lines of 64 characters', (text) => wrap(text, 64, '\n')),
    change(3, 'in lines of 76 characters, with LF', (text) => wrap(text, 76, '\n')),
    change(3, 'in lines of 76 characters, with LF at its end', (text) => `${wrap(text, 76, '\n')}\n`),
    change(3, 'in lines of 64 characters, with LF at its end', (text) => `${wrap(text, 64, '\n')}\n`),
  ]
}

/** Base64 encoders wrap lines. Text of another kind stays as it is. */
function wrap(text: string, width: number, newline: string): string {
  if (!/^[\w+/=\r\n-]+$/.test(text)) return text
  return (text.replace(/[\r\n]+/g, '').match(new RegExp(`.{1,${width}}`, 'g')) ?? []).join(newline)
}

function bomChanges(): Change[] {
  const fix = 'Write UTF-8 without a byte order mark: JSON does not allow one.'
  return [
    bytes('body-bom', 1, `The sender signed the body without the byte order mark in front of it. ${fix}`, (body) =>
      Buffer.compare(body.subarray(0, 3), BOM_BYTES) === 0 ? body.subarray(3) : undefined,
    ),
    bytes('body-bom', 1, `The sender signed a byte order mark in front of the body, which was lost. ${fix}`, (body) =>
      Buffer.concat([BOM_BYTES, body]),
    ),
    textChange({ code: 'body-bom', cost: 3, fix: `The sender signed the body without U+FEFF inside. ${fix}` }, (text) =>
      text.replaceAll(BOM, ''),
    ),
  ]
}

function compressionChanges(maxOutputLength: number): Change[] {
  const options = { maxOutputLength }
  const attempt = (run: () => Uint8Array) => {
    try {
      return run()
    } catch {
      return undefined
    }
  }
  const decompressed =
    'The sender signed the body before it was compressed. The signature covers the bytes on the wire: send the body without Content-Encoding, or sign after compression.'
  const compressed =
    'The sender signed the compressed body, but something between sender and receiver has decompressed it. Send the body without Content-Encoding.'
  const isGzip = (body: Uint8Array) => body[0] === 0x1f && body[1] === 0x8b
  const isZlib = (body: Uint8Array) => body[0] === 0x78
  const isText = (body: Uint8Array) => decodeUtf8(body) !== undefined
  /** The header of gzip names the system, which the two ends may write differently. */
  const gzip = (body: Uint8Array, system: number, level: number) => {
    const result = gzipSync(body, { level })
    result[9] = system
    return result
  }
  return [
    bytes('body-compressed', 1, decompressed, (body) =>
      isGzip(body) ? attempt(() => gunzipSync(body, options)) : undefined,
    ),
    bytes('body-compressed', 1, decompressed, (body) =>
      isZlib(body) ? attempt(() => inflateSync(body, options)) : undefined,
    ),
    bytes('body-compressed', 2, decompressed, (body) =>
      isText(body)
        ? undefined
        : (attempt(() => brotliDecompressSync(body, options)) ?? attempt(() => inflateRawSync(body, options))),
    ),
    ...[0, 3, 255].flatMap((system) =>
      [6, 9, 1].map((level) =>
        bytes('body-compressed', 3, compressed, (body) => (isText(body) ? gzip(body, system, level) : undefined)),
      ),
    ),
  ]
}

function base64Changes(): Change[] {
  const code = 'body-base64'
  const decoded =
    'The sender signed the body before it was encoded as base64. Sign the bytes that are sent. If a gateway passes the body as base64, give the handler the decoded bytes.'
  const encoded = 'The sender signed the body as base64, but it arrived decoded. Sign the bytes that are sent.'
  return [
    bytes(code, 1, decoded, (body) => {
      const text = decodeUtf8(body)
        ?.replace(/^"([^"]*)"$/, '$1')
        .replace(/[\r\n]+/g, '')
      const result = text === undefined || text.length < 4 ? undefined : decodeAnyBase64(text)
      return result?.length === 0 ? undefined : result
    }),
    bytes(code, 2, encoded, (body) => encodeUtf8(encodeBase64(body))),
    bytes(code, 3, encoded, (body) => encodeUtf8(Buffer.from(body).toString('base64url'))),
    bytes(code, 3, encoded, (body) => encodeUtf8(`"${encodeBase64(body)}"`)),
  ]
}

function wrappingChanges(): Change[] {
  const inner =
    'The sender signed the JSON, but it was sent as a JSON string: it was serialized twice. Serialize it once.'
  const outer =
    'The sender signed the body as a JSON string: it was serialized twice before it was signed. Serialize it once.'
  const form = 'Send the JSON itself as the body, with Content-Type application/json.'
  return [
    textChange({ code: 'body-json-string', cost: 1, fix: inner }, (text) => {
      try {
        const value: unknown = /^\s*"/.test(text) ? JSON.parse(text) : undefined
        return typeof value === 'string' ? value : undefined
      } catch {
        return undefined
      }
    }),
    textChange({ code: 'body-json-string', cost: 1, fix: outer }, (text) => JSON.stringify(text)),
    textChange({ code: 'body-json-string', cost: 3, fix: outer }, (text) => JSON.stringify(text).slice(1, -1)),
    textChange({ code: 'body-json-string', cost: 3, fix: inner }, (text) =>
      /^\s*[{[]\s*\\"/.test(text) ? text.replace(/\\(["\\/])/g, '$1') : undefined,
    ),
    ...[
      (text: string) => decodeURIComponent(text),
      (text: string) => decodeURIComponent(text.replaceAll('+', ' ')),
      (text: string) => decodeURIComponent(text.replaceAll('+', ' ').replace(/=$/, '')),
      (text: string) => decodeURIComponent(text.replaceAll('+', ' ').replace(/^\w+=/, '')),
    ].map((decode) =>
      textChange(
        { code: 'body-url-encoded', cost: 2, fix: `The sender signed the body before it was URL-encoded. ${form}` },
        (text) => (/%[0-9a-f]{2}/i.test(text) ? safely(() => decode(text)) : undefined),
      ),
    ),
    ...[
      (text: string) => encodeURIComponent(text),
      (text: string) => encodeURIComponent(text).replaceAll('%20', '+'),
    ].map((encode) =>
      textChange(
        { code: 'body-url-encoded', cost: 3, fix: `The sender signed the body in URL encoding. ${form}` },
        (text) => safely(() => encode(text)),
      ),
    ),
  ]
}

/** encodeURIComponent() and its inverse throw on malformed input. */
function safely(run: () => string): string | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

/** Texts that programs sign after they have lost the body. */
function placeholderChanges(): Change[] {
  return ['{}', 'null', 'undefined', '[object Object]', '""'].map((text) =>
    bytes(
      'body-empty',
      2,
      `The sender signed the text ${text} instead of the body: its program had no body text when it signed. Sign the body that is sent.`,
      () => encodeUtf8(text),
    ),
  )
}
