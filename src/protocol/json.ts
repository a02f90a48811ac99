import { type FieldIssue, ProtocolError, printable } from '../errors.ts'
import { decodeUtf8, encodeUtf8 } from './encoding.ts'

/** The limits of {@link parseJson} and {@link formatJson}. */
export interface JsonLimits {
  /** The maximum nesting depth of objects and arrays. */
  readonly maxDepth: number
  /** Accepts fractions, read as the nearest double. */
  readonly allowFractions: boolean
}

/** The limits of this protocol. */
export const STRICT_JSON: JsonLimits = { maxDepth: 64, allowFractions: false }

/** JSON that {@link assertStrict} has not checked yet. */
export interface LooseJson {
  readonly text: string
  /** Whether the outermost value is an object. */
  readonly isObject: boolean
  /** What `JSON.parse` returned; {@link TOO_DEEP} when it was not called. */
  readonly value: unknown
}

/** Replaces a value that is nested too deeply to be parsed: `JSON.parse` takes up to a second for 1 MiB of `[`. */
export const TOO_DEEP: unique symbol = Symbol('nested too deep')

/**
 * Parses JSON that every parser reads the same way: UTF-8, no duplicate keys, no `__proto__` keys, bounded depth,
 * and only numbers that JavaScript represents exactly.
 *
 * @param limits By default 64 levels, and no fractions.
 * @throws {@link ProtocolError} `ERR_JSON_INVALID`
 * @see docs/protocol.md section 5.3
 * @example
 * ```ts
 * import { parseJson } from 'alipayhk-order-sync/protocol'
 *
 * parseJson(new TextEncoder().encode('{"tradeNo":"T1"}')) // { tradeNo: 'T1' }
 * ```
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = STRICT_JSON): unknown {
  const json = parseLoosely(bytes, limits)
  if (json === undefined) throw invalidJson(decodeUtf8(bytes) === undefined ? 'it is not UTF-8' : 'it cannot be parsed')
  return assertStrict(json, limits)
}

/** Returns undefined when the bytes are not JSON. It drops the error of `JSON.parse`, which quotes the text. */
export function parseLoosely(bytes: Uint8Array, limits: JsonLimits): LooseJson | undefined {
  const text = decodeUtf8(bytes)
  if (text === undefined) return undefined
  const isObject = /^[ \t\r\n]*\{/.test(text)
  const { deepest, isClosed } = measureDepth(text)
  if (deepest > limits.maxDepth) return isClosed ? { text, isObject, value: TOO_DEEP } : undefined
  try {
    return { text, isObject, value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/**
 * Returns the value of JSON that every parser reads the same way. Throws for any other.
 *
 * @throws {@link ProtocolError} `ERR_JSON_INVALID`
 * @see docs/protocol.md section 5.3
 */
export function assertStrict({ text, value }: LooseJson, limits: JsonLimits): unknown {
  if (value === TOO_DEEP) throw invalidJson('it is nested too deeply')
  const keysInText = scanText(text, limits)
  // JSON.parse keeps the last value of a repeated key, so the value has fewer keys than the text.
  if (countKeys(value) < keysInText) throw invalidJson('an object repeats a key')
  return value
}

/**
 * Serializes a value so that {@link parseJson} returns the same value. Throws where JSON would drop or round a member.
 *
 * @param limits By default 64 levels, and no fractions.
 * @returns UTF-8.
 * @throws {@link ProtocolError} `ERR_FIELD_INVALID`
 * @see docs/protocol.md section 5.3
 * @example
 * ```ts
 * import { formatJson } from 'alipayhk-order-sync/protocol'
 *
 * new TextDecoder().decode(formatJson({ tradeNo: 'T1' })) // '{"tradeNo":"T1"}'
 * ```
 */
export function formatJson(value: object, limits: JsonLimits = STRICT_JSON): Uint8Array {
  return encodeUtf8(formatJsonText(value, limits))
}

/** Like {@link formatJson}, but returns text. */
export function formatJsonText(value: object, limits: JsonLimits): string {
  let text: string | undefined
  /** The objects and arrays around the member that is being written, each with its own name. */
  const around: { readonly holder: unknown; readonly key: string }[] = []
  try {
    text = JSON.stringify(value, checkMember)
  } catch (error) {
    // Replace only the error for a circular reference; its message differs between engines. Errors of the caller's
    // toJSON() pass unchanged.
    const isCircular = error instanceof TypeError && /circular|cyclic/.test(error.message)
    throw isCircular ? invalidOrder('', 'free of circular references') : error
  }
  if (text === undefined) throw invalidOrder('', 'a value that JSON can represent')
  if (measureDepth(text).deepest > limits.maxDepth) {
    throw invalidOrder('', `nested at most ${limits.maxDepth} levels deep`)
  }
  return text

  function checkMember(this: unknown, key: string, member: unknown): unknown {
    while (around.length > 0 && around.at(-1)?.holder !== this) around.pop()
    const refuse = (expected: string) => invalidOrder(fieldPath([...around.map((outer) => outer.key), key]), expected)
    const primitive = member instanceof Number || member instanceof BigInt ? member.valueOf() : member
    if (typeof primitive === 'number' && !isExact(primitive, limits)) throw refuse(expectedNumber(primitive, limits))
    if (typeof primitive === 'bigint') throw refuse('a number or a string, not a BigInt')
    if (isRawJSON(member)) throw refuse('a value, not JSON.rawJSON')
    // JSON.stringify() drops functions and symbols, and writes null for undefined in an array.
    if (typeof member === 'function' || typeof member === 'symbol' || (member === undefined && Array.isArray(this)))
      throw refuse('a value that JSON can represent')
    if (key === '__proto__') throw refuse('another name')
    if (typeof member === 'object' && member !== null) around.push({ holder: member, key })
    return member
  }
}

/** What a number must be that JavaScript does not represent exactly, or that is a fraction. */
function expectedNumber(value: number, { allowFractions }: JsonLimits): string {
  const isFraction = Number.isFinite(value) && !Number.isInteger(value)
  return isFraction && !allowFractions
    ? 'a safe integer; write a fraction as a string, or set the option "allowFractions"'
    : 'a safe integer; write other numbers as strings'
}

/** The path of a member: `extInfo.items[0].weightKg`. The first key may be that of the value as a whole, which is empty. */
function fieldPath(keys: readonly string[]): string {
  return keys
    .map((key) => (/^\d+$/.test(key) ? `[${key}]` : `.${key}`))
    .join('')
    .replace(/^\.+/, '')
}

/** `JSON.isRawJSON` exists since Node 22. */
const { isRawJSON = () => false } = JSON as { isRawJSON?: (value: unknown) => boolean }

/**
 * Measures the nesting of text that may not be JSON. One pass without recursion, so that deep nesting cannot overflow the
 * stack.
 *
 * @returns The greatest depth, and whether every bracket and every string is closed.
 */
function measureDepth(text: string): { deepest: number; isClosed: boolean } {
  let depth = 0
  let deepest = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = endOfString(text, at)
      if (at === -1) return { deepest, isClosed: false }
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) deepest = Math.max(deepest, ++depth)
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
  }
  return { deepest, isClosed: depth === 0 }
}

/**
 * Checks the numbers in text that JSON.parse() accepts.
 *
 * @returns The number of keys in the text.
 */
function scanText(text: string, limits: JsonLimits): number {
  let keys = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (code === COLON) keys++
    else if (isDigit(code) || code === MINUS) {
      const end = endOfNumber(text, at)
      const number = text.slice(at, end)
      if (!isExactText(number, limits)) {
        const path = printable(fieldPath(keysAround(text, at)), 200)
        throw invalidJson(`${path === '' ? 'it' : `"${path}"`} must be ${expectedNumber(approximate(number), limits)}`)
      }
      at = end - 1
    }
  }
  return keys
}

/** The number for a message: a fraction whose double is an integer counts as a fraction. */
function approximate(number: string): number {
  return isIntegerText(number) ? Number(number) : 0.5
}

/** The keys and indexes that lead to a place in JSON text. For errors: it reads the text from its start. */
function keysAround(text: string, place: number): string[] {
  const around: { key: string; isArray: boolean }[] = []
  let lastString = ''
  for (let at = 0; at < place; at++) {
    const code = text.charCodeAt(at)
    const inner = around.at(-1)
    if (code === QUOTE) {
      const end = endOfString(text, at)
      lastString = text.slice(at, end + 1)
      at = end
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      around.push({ key: '0', isArray: code === OPEN_BRACKET })
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) around.pop()
    else if (code === COLON && inner) inner.key = String(JSON.parse(lastString))
    else if (code === COMMA && inner?.isArray) inner.key = String(Number(inner.key) + 1)
  }
  return around.map(({ key }) => key)
}

/** Recursion is safe here: {@link parseLoosely} has limited the depth. */
function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let keys = 0
  if (Array.isArray(value)) {
    for (const member of value) keys += countKeys(member)
    return keys
  }
  for (const key of Object.keys(value)) {
    if (key === '__proto__') throw invalidJson('it has a "__proto__" key')
    keys += 1 + countKeys((value as Record<string, unknown>)[key])
  }
  return keys
}

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COLON = 0x3a
const COMMA = 0x2c
const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d

/** The position of the closing quote, or -1. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end
}

/** Whether an odd number of backslashes precedes the character. */
function isEscaped(text: string, at: number): boolean {
  let before = at
  while (text.charCodeAt(before - 1) === BACKSLASH) before--
  return (at - before) % 2 === 1
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function endOfNumber(text: string, start: number): number {
  let at = start
  while (at < text.length && !',]} \t\r\n'.includes(text.charAt(at))) at++
  return at
}

/** Checks the digits too: 1.00000000000000000001 and 1e-400 are fractions, but their doubles are integers. */
function isExactText(text: string, limits: JsonLimits): boolean {
  return isExact(Number(text), limits) && (limits.allowFractions || isIntegerText(text))
}

function isIntegerText(number: string): boolean {
  if (!/[.eE]/.test(number)) return true
  const [mantissa = '', exponent = '0'] = number.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const digits = whole + fraction
  let significant = digits.length
  while (digits[significant - 1] === '0') significant--
  // 1500e-2 is an integer: it ends with as many zeros as the exponent moves the decimal point.
  return significant <= (digits.startsWith('-') ? 1 : 0) || significant <= whole.length + Number(exponent)
}

function isExact(value: number, { allowFractions }: JsonLimits): boolean {
  // An integer above 2⁵³ has lost its last digits, so allowFractions does not apply to it.
  return Number.isSafeInteger(value) || (allowFractions && Number.isFinite(value) && !Number.isInteger(value))
}

function invalidJson(reason: string): ProtocolError {
  return new ProtocolError('ERR_JSON_INVALID', `The body is not valid JSON for an order sync: ${reason}.`)
}

function invalidOrder(field: string, expected: string): ProtocolError {
  const issues: FieldIssue[] = [{ field, expected }]
  const subject = field === '' ? 'it' : `"${printable(field, 200)}"`
  return new ProtocolError('ERR_FIELD_INVALID', `The order cannot be sent: ${subject} must be ${expected}.`, {
    issues,
  })
}

/**
 * JSON with the keys of every object sorted: two texts with the same meaning give the same canonical text. For values
 * that {@link parseJson} returned.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const members = value as Readonly<Record<string, unknown>>
  const texts = Object.keys(members)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(members[key])}`)
  return `{${texts.join(',')}}`
}
