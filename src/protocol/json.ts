import { type FieldIssue, printable, ProtocolError } from '../errors.ts'
import { decodeUtf8, encodeUtf8 } from './encoding.ts'

/** What strict JSON allows. */
export interface JsonLimits {
  /** How deep objects and arrays may be nested. */
  readonly maxDepth: number
  /** Whether numbers that are not safe integers are let through, as the nearest double. */
  readonly allowFractions: boolean
}

/** The strictness of this protocol. */
export const STRICT_JSON: JsonLimits = { maxDepth: 64, allowFractions: false }

/** JSON, with what `JSON.parse` lets through: see {@link assertStrict}. */
export interface LooseJson {
  readonly text: string
  readonly value: unknown
}

/**
 * Parses JSON that has only one reading: UTF-8, no duplicate keys, no `__proto__` keys, bounded depth, and numbers
 * that JavaScript holds exactly.
 *
 * @throws {@link RejectionError} `ERR_JSON_INVALID`
 * @see docs/protocol.md section 5.3
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = STRICT_JSON): unknown {
  const json = parseLoosely(bytes)
  if (json === undefined) throw invalid(decodeUtf8(bytes) === undefined ? 'it is not UTF-8' : 'it cannot be parsed')
  return assertStrict(json, limits)
}

/** Undefined where the bytes are no JSON. No error: the engine's quotes the text. */
export function parseLoosely(bytes: Uint8Array): LooseJson | undefined {
  const text = decodeUtf8(bytes)
  try {
    return text === undefined ? undefined : { text, value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/**
 * Gives the value of JSON that has only one reading.
 *
 * @throws {@link RejectionError} `ERR_JSON_INVALID`
 * @see docs/protocol.md section 5.3
 */
export function assertStrict({ text, value }: LooseJson, limits: JsonLimits): unknown {
  const written = assertText(text, limits)
  // Of a key that an object repeats, JSON.parse keeps the last value: then there are fewer keys than were written.
  if (countKeys(value) < written) throw invalid('an object repeats a key')
  return value
}

/**
 * Serialises a value of which {@link parseJson} reads back the same; what JSON would drop or round is refused.
 *
 * @throws {@link RejectionError} `ERR_FIELD_INVALID`
 */
export function formatJson(value: object, limits: JsonLimits = STRICT_JSON): Uint8Array {
  // Nearly always: to be asked about every member costs JSON.stringify more than to write them.
  return encodeUtf8(isPlain(value, limits, limits.maxDepth) ? JSON.stringify(value) : stringify(value, limits))
}

/** True only where JSON.stringify() loses nothing. False is no verdict: {@link stringify} looks at each member then. */
function isPlain(value: unknown, limits: JsonLimits, depthLeft: number): boolean {
  if (typeof value === 'number') return isExact(value, limits)
  if (typeof value !== 'object') return typeof value === 'string' || typeof value === 'boolean'
  if (value === null) return true
  if (depthLeft === 0 || 'toJSON' in value) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // A Number in an object is written as what it holds, and raw JSON, which has no prototype, as it stands.
  if (prototype !== Object.prototype && prototype !== Array.prototype) return false
  if (Array.isArray(value)) {
    // Not every(): it goes past holes.
    for (const member of value) if (!isPlain(member, limits, depthLeft - 1)) return false
    return true
  }
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key]
    if (key === '__proto__' || (member !== undefined && !isPlain(member, limits, depthLeft - 1))) return false
  }
  return true
}

/** Of Node 22 and later. */
const { isRawJSON = () => false } = JSON as { isRawJSON?: (value: unknown) => boolean }

/** Asks about each member as it is written, and says what is wrong with it. */
function stringify(value: object, limits: JsonLimits): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value, replace)
  } catch (error) {
    // Every engine says so in other words; what the merchant's own code throws is his.
    const holdsItself = error instanceof TypeError && /circular|cyclic/.test(error.message)
    throw holdsItself ? unfit('', 'free of objects that hold themselves') : error
  }
  if (text === undefined) throw unfit('', 'a value that JSON can hold')
  try {
    assertText(text, limits)
  } catch {
    // Nothing else is left that could be wrong.
    throw unfit('', `nested at most ${limits.maxDepth} levels deep`)
  }
  return text

  function replace(this: unknown, key: string, member: unknown): unknown {
    const held = member instanceof Number || member instanceof BigInt ? member.valueOf() : member
    if (typeof held === 'number' && !isExact(held, limits))
      throw unfit(key, 'a safe integer; write other numbers as strings')
    if (typeof held === 'bigint') throw unfit(key, 'a number or a string, not a BigInt')
    if (isRawJSON(member)) throw unfit(key, 'a value, not JSON.rawJSON')
    // JSON would drop the first two, and write null for a hole in an array.
    if (typeof member === 'function' || typeof member === 'symbol' || (member === undefined && Array.isArray(this)))
      throw unfit(key, 'a value that JSON can hold')
    if (key === '__proto__') throw unfit(key, 'another name')
    return member
  }
}

/** Walks text that is known to be JSON, and looks at depth and numbers. One pass, no recursion. Returns the number of keys. */
function assertText(text: string, limits: JsonLimits): number {
  let keys = 0
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (code === COLON) keys++
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > limits.maxDepth) throw invalid('it is nested too deep')
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
    else if (isDigit(code) || code === MINUS) {
      const digitsEnd = endOfDigits(text, at + 1)
      const end = endOfNumber(text, digitsEnd)
      // Most numbers are moments, of 13 digits; no whole number of 15 is past 2⁵³.
      const isShortInteger = end === digitsEnd && end - at <= 15
      if (!isShortInteger && !isExactText(text.slice(at, end), limits)) throw invalid('a number is not a safe integer')
      at = end - 1
    }
  }
  return keys
}

/** Recurses no deeper than {@link assertText} has let through. */
function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let keys = 0
  if (Array.isArray(value)) {
    for (const member of value) keys += countKeys(member)
    return keys
  }
  for (const key of Object.keys(value)) {
    if (key === '__proto__') throw invalid('it has a "__proto__" key')
    keys += 1 + countKeys((value as Record<string, unknown>)[key])
  }
  return keys
}

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COLON = 0x3a
const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end
}

/** Behind an odd number of backslashes. */
function isEscaped(text: string, at: number): boolean {
  let before = at
  while (text.charCodeAt(before - 1) === BACKSLASH) before--
  return (at - before) % 2 === 1
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function endOfDigits(text: string, start: number): number {
  let at = start
  while (isDigit(text.charCodeAt(at))) at++
  return at
}

/** The end of what a number still has after its first digits. */
function endOfNumber(text: string, start: number): number {
  let at = start
  while (at < text.length && !',]} \t\r\n'.includes(text.charAt(at))) at++
  return at
}

/** Looks at the digits too: 1.00000000000000000001 and 1e-400 are fractions, though their doubles are whole. */
function isExactText(text: string, limits: JsonLimits): boolean {
  return isExact(Number(text), limits) && (limits.allowFractions || isWhole(text))
}

function isWhole(number: string): boolean {
  const [mantissa = '', exponent = '0'] = number.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const digits = whole + fraction
  let significant = digits.length
  while (digits[significant - 1] === '0') significant--
  // 1500e-2: as many zeros at the end as the exponent moves the point.
  return significant <= (digits.startsWith('-') ? 1 : 0) || significant <= whole.length + Number(exponent)
}

function isExact(value: number, { allowFractions }: JsonLimits): boolean {
  // A whole number past 2⁵³ has lost its last digits already, whatever the option says.
  return Number.isSafeInteger(value) || (allowFractions && Number.isFinite(value) && !Number.isInteger(value))
}

function invalid(why: string): ProtocolError {
  return new ProtocolError('ERR_JSON_INVALID', `The body is not the JSON that was expected: ${why}.`)
}

function unfit(field: string, expected: string): ProtocolError {
  const issues: FieldIssue[] = [{ field, expected }]
  const subject = field === '' ? 'it' : `"${printable(field, 64)}"`
  return new ProtocolError('ERR_FIELD_INVALID', `The order cannot be sent: ${subject} must be ${expected}.`, {
    issues,
  })
}
