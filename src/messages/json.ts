import { type FieldIssue, printable, RejectionError } from '../errors.ts'
import { decodeUtf8, encodeUtf8 } from '../protocol/bytes.ts'

/** What strict JSON allows. */
export interface JsonLimits {
  /** How deep objects and arrays may be nested. */
  readonly maxDepth: number
  /** Whether numbers that are not safe integers are let through, as the nearest double. */
  readonly allowFractions: boolean
}

/** The strictness of this protocol. */
export const STRICT_JSON: JsonLimits = { maxDepth: 64, allowFractions: false }

/**
 * Parses JSON that has only one reading: UTF-8, no duplicate keys, no `__proto__` keys, bounded depth, and numbers
 * that JavaScript holds exactly.
 *
 * @throws {@link RejectionError} `ERR_JSON_INVALID`
 * @see docs/protocol.md section 5.3
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = STRICT_JSON): unknown {
  const text = decodeUtf8(bytes)
  if (text === undefined) throw invalid('it is not UTF-8')
  const value = parseText(text)
  assertStrict(text, limits)
  return value
}

/**
 * Serialises a value of which {@link parseJson} reads back the same; what JSON would drop or round is refused.
 *
 * @throws {@link RejectionError} `ERR_FIELD_INVALID`
 */
export function formatJson(value: object, limits: JsonLimits = STRICT_JSON): Uint8Array {
  const text = JSON.stringify(value, function (this: unknown, key, member) {
    if (typeof member === 'number' && !isExact(member, limits))
      throw unfit(key, 'a safe integer; write other numbers as strings')
    if (typeof member === 'bigint') throw unfit(key, 'a number or a string, not a BigInt')
    // JSON would drop the first two, and write null for a hole in an array.
    if (typeof member === 'function' || typeof member === 'symbol' || (member === undefined && Array.isArray(this)))
      throw unfit(key, 'a value that JSON can hold')
    if (key === '__proto__') throw unfit(key, 'another name')
    return member
  })
  const bytes = encodeUtf8(text)
  try {
    assertStrict(text, limits)
  } catch {
    // Nothing else is left that could be wrong.
    throw unfit('', `nested at most ${limits.maxDepth} levels deep`)
  }
  return bytes
}

/** Whether the bytes are the text of a JSON object, strict or not. */
export function isJsonObject(bytes: Uint8Array): boolean {
  const text = decodeUtf8(bytes)
  try {
    const value: unknown = text === undefined ? undefined : JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // No cause: the engine's message quotes the text.
    throw invalid('it cannot be parsed')
  }
}

/** Walks text that is known to be JSON, and looks at what `JSON.parse` lets through. One pass, no recursion. */
function assertStrict(text: string, limits: JsonLimits): void {
  /** The keys of each open object; undefined for an open array. */
  const open: (Set<string> | undefined)[] = []
  let keyIsNext = false
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case OPEN_BRACE:
      case OPEN_BRACKET:
        keyIsNext = text.charCodeAt(at) === OPEN_BRACE
        if (open.push(keyIsNext ? new Set() : undefined) > limits.maxDepth) throw invalid('it is nested too deep')
        break
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        open.pop()
        keyIsNext = false
        break
      case COMMA:
        keyIsNext = open.at(-1) !== undefined
        break
      case QUOTE: {
        const end = endOfString(text, at)
        if (keyIsNext) assertKey(open.at(-1), text.slice(at + 1, end))
        keyIsNext = false
        at = end
        break
      }
      default:
        if (isNumberStart(text.charCodeAt(at))) {
          const end = endOfNumber(text, at)
          if (!isExactText(text.slice(at, end), limits)) throw invalid('a number is not a safe integer')
          at = end - 1
        }
    }
  }
}

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c
const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d

function assertKey(keys: Set<string> | undefined, raw: string): void {
  const key = raw.includes('\\') ? String(JSON.parse(`"${raw}"`)) : raw
  if (key === '__proto__') throw invalid('it has a "__proto__" key')
  if (keys?.has(key)) throw invalid('an object repeats a key')
  keys?.add(key)
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1
  return at
}

function isNumberStart(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === MINUS
}

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

function invalid(why: string): RejectionError {
  return new RejectionError('ERR_JSON_INVALID', `The body is not the JSON that was expected: ${why}.`)
}

function unfit(field: string, expected: string): RejectionError {
  const issues: FieldIssue[] = [{ field, expected }]
  const subject = field === '' ? 'it' : `"${printable(field, 64)}"`
  return new RejectionError('ERR_FIELD_INVALID', `The order cannot be sent: ${subject} must be ${expected}.`, {
    issues,
  })
}
