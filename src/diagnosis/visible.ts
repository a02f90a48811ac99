import { decodeUtf8 } from '../protocol/encoding.ts'
import { shownPath } from './change.ts'

/** The longest text that an explanation shows, in characters. */
const MAX_SHOWN = 4_000

/** Makes control characters visible: a line feed is ␊, other invisible characters are <U+FEFF>, other bytes are \xff. */
export function visible(bytes: Uint8Array): string {
  const text = decodeUtf8(bytes) ?? decodePartly(bytes)
  const cut = text.slice(0, MAX_SHOWN)
  const rest = text.length > cut.length ? `… (${text.length - cut.length} more characters)` : ''
  return toVisible(cut) + rest
}

/** Makes the control characters of a text visible. */
export function toVisible(text: string): string {
  return text
    .replace(/\p{Cc}/gu, (control) => {
      const code = control.charCodeAt(0)
      return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? '\u2421' : codePoint(control)
    })
    .replace(/[\p{Cf}\p{Zl}\p{Zp}\p{Co}\u00a0\u3000]/gu, codePoint)
}

function codePoint(character: string): string {
  return `<U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}>`
}

/** Only names of the protocol are shown. Other names, for example in extInfo, may be customer data. */
const KNOWN_NAMES =
  /^(?:requestId|merchantId|tradeNo|merchantBizNo|merchantBizType|amount|payAmount|discountAmount|orderStatus|orderCreateTime|orderModifyTime|userId|openId|extInfo|value|currency|result|resultCode|resultStatus|resultMessage|orderId)$/

/**
 * Hides customer data in a body, and keeps its form: white space, quotes, escapes, punctuation and the names of the
 * protocol. Letters become x, digits 0, other characters □.
 */
export function maskBody(body: Uint8Array): Uint8Array {
  const text = decodeUtf8(body) ?? decodePartly(body)
  const masked = text
    .slice(0, MAX_SHOWN * 2)
    .replace(/"(?:[^"\\]+|\\[\s\S])*"?(\s*:)?|[^"\s{}[\],:]+/g, (token, colon) => {
      if (!token.startsWith('"')) return /^(?:true|false|null)$/.test(token) ? token : maskText(token)
      const name = colon === undefined ? undefined : /^"([^"\\]*)"/.exec(token)?.[1]
      return name !== undefined && KNOWN_NAMES.test(name) ? token : maskText(token)
    })
  const rest = text.length > MAX_SHOWN * 2 ? 'x'.repeat(text.length - MAX_SHOWN * 2) : ''
  return Buffer.from(masked + rest)
}

function maskText(text: string): string {
  return text.replace(/\\u[0-9a-fA-F]{4}|\\[\s\S]|[a-zA-Z]|\d|[^\0-\x7f\p{Cf}\p{Zs}]/gu, (character) => {
    if (character.startsWith('\\u')) return '\\uxxxx'
    if (character.startsWith('\\')) return character
    if (/[a-z]/i.test(character)) return 'x'
    return /\d/.test(character) ? '0' : '□'
  })
}

/** UTF-8 with the bytes that are not UTF-8 as \xff. */
function decodePartly(bytes: Uint8Array): string {
  let result = ''
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  // Without its replacement characters, the text says where the other bytes are, but not which. Latin-1 has them all.
  if (!text.includes('\uFFFD')) return text
  for (const byte of bytes.subarray(0, MAX_SHOWN * 2)) {
    result += byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`
  }
  return result
}

/** Headers whose values are shown. Others may have tokens, cookies or addresses in them. */
const SHOWN_HEADERS =
  /^(?:client-id|content-type|content-length|content-encoding|transfer-encoding|request-time|response-time|date|host|tracer-id|via|server|user-agent|accept|accept-encoding|connection|expect)$/
const PATH_HEADERS = /^(?:x-(?:original|forwarded|envoy-original)-(?:uri|url|path|prefix|proto)|x-script-name)$/

/** The value of a header as an explanation shows it. */
export function shownHeader(name: string, value: string): string {
  const known = name.toLowerCase()
  if (SHOWN_HEADERS.test(known)) return toVisible(value.slice(0, 300))
  if (PATH_HEADERS.test(known)) return shownPath(value)
  const pairs = /^(.*?(?:signature|symmetricKey)\s*=)(.*)$/is.exec(value)
  if ((known === 'signature' || known === 'encrypt') && pairs !== null) {
    const [, head = '', rest = ''] = pairs
    return head.length > 200 ? hidden(value) : toVisible(head) + hidden(rest)
  }
  return hidden(value)
}

const hidden = (value: string) => `… (${value.length} characters)`
