import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson, formatJson, parseJson, parseLoosely, STRICT_JSON, TOO_DEEP } from '../../src/protocol/json.ts'
import { thrownBy } from '../support/thrown.ts'

const encode = (text: string) => new TextEncoder().encode(text)
const parse = (text: string) => parseJson(encode(text))
const FRACTIONS_ALLOWED = { maxDepth: 64, allowFractions: true }
const FRACTION = 'a safe integer; write a fraction as a string, or set the option "allowFractions"'
const shared = { n: 1 }
const parseFractions = (text: string) => parseJson(encode(text), FRACTIONS_ALLOWED)
const nested = (depth: number, [open, close] = ['[', ']']) => open.repeat(depth) + close.repeat(depth)
const invalidJson = expect.objectContaining({ name: 'ProtocolError', code: 'ERR_JSON_INVALID' })
const invalidField = expect.objectContaining({ name: 'ProtocolError', code: 'ERR_FIELD_INVALID' })

describe('parseJson', () => {
  test.each([
    ['an object', '{"a":1,"b":"x"}'],
    ['the same key in two objects', '{"a":{"x":1},"b":{"x":2},"x":3}'],
    ['the same key in the objects of an array', '[{"x":1},{"x":2}]'],
    ['keys that differ by an escape', '{"a":1,"\\u0062":2}'],
    ['a string that looks like a duplicate key', '{"a":"a","b":"\\"a\\":1"}'],
    ['a value that is "__proto__"', '{"a":"__proto__"}'],
    ['an array that repeats strings and "__proto__"', '["x","x","__proto__","__proto__"]'],
    ['keys that resemble __proto__', '{"__proto":1,"proto__":2,"__PROTO__":3}'],
    ['the ordinary keys constructor and prototype', '{"constructor":1,"prototype":2,"toString":3}'],
    ['brackets, commas and numbers inside strings', '{"a":"{[1.5,\\"}],9007199254740993"}'],
    ['a backslash before the closing quote', '{"a":"\\\\","b":"\\\\\\""}'],
    ['the largest safe integers', '[9007199254740991,-9007199254740991]'],
    ['zero', '[0,-0,0.0,0e5,-0e-9,-0.00e1]'],
    ['integers in other notations', '[1.0,1e3,1.5e1,1.716340341E12,100e-2,-5.0]'],
    ['white space everywhere', ' {\n"a" :\t[ 1 , 2 ] \r\n} '],
    ['a scalar without an object', '5'],
    ['an empty key', '{"":1}'],
    ['64 levels of nesting', nested(64)],
    ['characters outside the basic multilingual plane', '{"a":"𝒳😀"}'],
  ])('accepts %s', (_, text) => {
    expect(parse(text)).toStrictEqual(JSON.parse(text))
  })

  test.each([
    ['a duplicate key', '{"a":1,"a":1}'],
    ['a duplicate key after other members', '{"a":1,"b":{"c":[1,{"d":2}]},"a":2}'],
    ['a duplicate key, escaped once', '{"a":1,"\\u0061":2}'],
    ['a duplicate key, escaped in two ways', '{"\\/":1,"\\u002f":2}'],
    ['a nested duplicate key', '{"x":[{"y":{"a":1,"a":2}}]}'],
    ['a duplicate empty key', '{"":1,"":2}'],
    ['a duplicate key "constructor"', '{"constructor":1,"constructor":2}'],
    ['a __proto__ key', '{"__proto__":{}}'],
    ['an escaped __proto__ key', '{"\\u005f_proto__":{}}'],
    ['a nested __proto__ key', '{"a":[{"b":{"__proto__":1}}]}'],
    ['65 levels of arrays', nested(65)],
    ['65 levels of objects', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`],
    ['100,000 levels of arrays', nested(100_000)],
    ['an unsafe integer', '{"a":9007199254740992}'],
    ['a negative unsafe integer', '[-9007199254740992]'],
    ['a fraction', '{"a":1.5}'],
    ['a fraction that a double rounds to an integer', '[1.00000000000000000001]'],
    ['a fraction that a double rounds to the largest safe integer', '[9007199254740991.4]'],
    ['a fraction that a double rounds to zero', '[1e-400]'],
    ['a fraction in exponent notation', '[15e-1]'],
    ['a number too large for a double', '[1e400]'],
    ['a fraction without an object', '1.5'],
    ['empty text', ''],
    ['white space only', ' \n'],
    ['a truncated object', '{"a":1'],
    ['a truncated string', '{"a":"'],
    ['a trailing comma', '{"a":1,}'],
    ['two values', '{} {}'],
    ['single quotes', "{'a':1}"],
    ['a comment', '{"a":1/**/}'],
    ['NaN', '[NaN]'],
    ['a leading zero', '[01]'],
    ['a control character in a string', '["\u0001"]'],
    ['a byte order mark', '\uFEFF{}'],
  ])('rejects %s', (_, text) => {
    expect(() => parse(text)).toThrow(invalidJson)
  })

  test.each([
    ['a byte that UTF-8 never uses', [0x22, 0xff, 0x22]],
    ['an overlong sequence', [0x22, 0xc0, 0xaf, 0x22]],
    ['an encoded surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a truncated sequence', [0x22, 0xe4, 0xb8, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]],
    ['Latin-1', [0x22, 0xe9, 0x22]],
  ])('rejects bytes that are not UTF-8: %s', (_, list) => {
    expect(() => parseJson(Uint8Array.from(list))).toThrow(invalidJson)
  })

  test.each<[string, Uint8Array]>([
    ['it is not UTF-8', Uint8Array.of(0x22, 0xff, 0x22)],
    ['it cannot be parsed', encode('{')],
    ['it is nested too deeply', encode(nested(65))],
    ['an object repeats a key', encode('{"a":1,"a":1}')],
    ['it has a "__proto__" key', encode('{"__proto__":1}')],
  ])('states in its error why: %s', (reason, bytes) => {
    expect(() => parseJson(bytes)).toThrow(`The body is not valid JSON for an order sync: ${reason}.`)
  })

  test('throws an error that does not quote the text', () => {
    for (const text of ['{"pin":"SECRET-1"', '{"SECRET-1":1,"SECRET-1":2}', '{"a":SECRET-1}', '[1.5,"SECRET-1"]']) {
      const error = thrownBy(() => parse(text))
      expect(JSON.stringify([error.message, error.stack, error.cause])).not.toContain('SECRET-1')
    }
  })

  test('returns the value that JSON.stringify wrote', () => {
    const value = fc.jsonValue({ noUnicodeString: false }).filter(isStrict)
    fc.assert(
      fc.property(value, (json) => {
        expect(parse(JSON.stringify(json))).toStrictEqual(JSON.parse(JSON.stringify(json)))
      }),
    )
  })

  test('accepts no text that JSON.parse rejects, and returns the same value', () => {
    const token = fc.constantFrom(
      ...'{}[]:,"',
      '"a"',
      '"\\u0061"',
      '"__proto__"',
      '1',
      '-',
      '1.5',
      'true',
      ' ',
      '\\',
      '9e99',
    )
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
        const text = tokens.join('')
        const result = attempt(() => parse(text))
        if (result.ok) expect(result.value).toStrictEqual(JSON.parse(text))
        else expect(result.error).toEqual(invalidJson)
      }),
      { numRuns: 2_000 },
    )
  })

  test('accepts a number only if it is a safe integer, in any notation', () => {
    const digits = (min: number) =>
      fc.stringMatching(new RegExp(`^(?:0*|[0-9]{${min},17}0*)$`)).map((text) => text.slice(0, 20))
    fc.assert(
      fc.property(fc.boolean(), fc.bigInt(0n, 10n ** 17n), digits(1), fc.integer({ min: -20, max: 20 }), (...parts) => {
        const [negative, whole, fraction, exponent] = parts
        const text = `${negative ? '-' : ''}${whole}${fraction && `.${fraction}`}e${exponent}`
        const scaled = BigInt(`${whole}${fraction}`) * 10n ** BigInt(20 + exponent)
        const unit = 10n ** BigInt(20 + fraction.length)
        const safe = scaled % unit === 0n && scaled / unit <= BigInt(Number.MAX_SAFE_INTEGER)
        expect(attempt(() => parse(text)).ok).toBe(safe)
      }),
      { numRuns: 500 },
    )
  })

  test.each<[string, (size: number) => string]>([
    ['one long string', (size) => `"${'a'.repeat(size)}"`],
    ['one long string of escapes', (size) => `"${'\\\\'.repeat(size / 2)}"`],
    ['one long string of quotes', (size) => `"${'\\"'.repeat(size / 2)}"`],
    ['many short keys', (size) => `{${Array.from({ length: size / 10 }, (_, n) => `"k${n}":1`).join()}}`],
    ['many escaped keys', (size) => `{${Array.from({ length: size / 20 }, (_, n) => `"\\u006b${n}":1`).join()}}`],
    ['many small numbers', (size) => `[${'1,'.repeat(size / 2)}1]`],
    ['one long number', (size) => `[1${'0'.repeat(size)}e-${size}]`],
    ['one long fraction of zeros', (size) => `[1.${'0'.repeat(size)}]`],
    ['one long fraction', (size) => `[0.${'0'.repeat(size)}1]`],
    ['many empty objects', (size) => `[${'{},'.repeat(size / 3)}1]`],
    ['white space', (size) => `[${' '.repeat(size)}]`],
  ])('parses 100,000 characters in linear time: %s', (_, make) => {
    const text = make(100_000)
    const start = performance.now()
    attempt(() => parse(text))
    // Linear time takes milliseconds. Quadratic time takes 10¹⁰ steps: more than 10 seconds.
    expect(performance.now() - start).toBeLessThan(2_000)
  })
})

describe('parseJson with allowFractions', () => {
  test.each(['1.5', '-0.1', '15e-1', '1.00000000000000000001', '1e-400', '0.30000000000000004'])(
    'reads %s as the nearest double',
    (text) => {
      expect(parseFractions(text)).toBe(Number(text))
    },
  )

  test.each(['9007199254740993', '9007199254740992.5', '1e400', '1e21'])('rejects %s', (text) => {
    expect(() => parseFractions(text)).toThrow(invalidJson)
  })

  test.each(['{"a":1,"a":1}', '{"__proto__":1}', nested(65)])('keeps all other checks: %#', (text) => {
    expect(() => parseFractions(text)).toThrow(invalidJson)
  })
})

describe('formatJson', () => {
  test.each<[string, object]>([
    ['an order-like object', { a: 'x', b: 1, c: { d: [true, null] } }],
    ['an object with undefined members', { a: undefined, b: 1 }],
    ['a date', { at: new Date(0) }],
    ['the largest safe integer', { a: Number.MAX_SAFE_INTEGER }],
    ['lone surrogates', { a: '\ud800' }],
    ['keys named like methods', { constructor: 1, toString: 2 }],
    ['a Number object', { a: Object(1) }],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
    ['instances of classes', { url: new URL('https://example.com'), map: new Map([[1, 2]]) }],
  ])('writes %s so that parseJson returns the same value', (_, value) => {
    expect(parseJson(formatJson(value))).toStrictEqual(JSON.parse(JSON.stringify(value)))
  })

  test.each<[string, object]>([
    ['NaN', { a: { b: Number.NaN } }],
    ['Infinity', { a: [Number.POSITIVE_INFINITY] }],
    ['a fraction', { a: 0.5 }],
    ['an unsafe integer', { a: 2 ** 53 }],
    ['a BigInt', { a: 1n }],
    ['a function', { a: () => 1 }],
    ['a symbol', { a: Symbol('x') }],
    ['undefined in an array', { a: [1, undefined] }],
    ['a hole in an array', { a: new Array(1) }],
    ['a fraction in a Number object', { a: Object(0.5) }],
    ['a fraction that toJSON returns', { a: { toJSON: () => 0.5 } }],
    ['a __proto__ key', JSON.parse('{"a":{"__proto__":{}}}')],
    ['65 levels of nesting', JSON.parse(nested(65))],
  ])('rejects %s', (_, value) => {
    expect(() => formatJson(value)).toThrow(invalidField)
  })

  const { rawJSON } = JSON as { rawJSON?: (text: string) => object }

  test.skipIf(rawJSON === undefined)('rejects JSON.rawJSON, which could hold any number', () => {
    for (const text of ['9007199254740993', '1']) {
      expect(() => formatJson({ a: rawJSON?.(text) })).toThrow(invalidField)
      expect(() => formatJson({ a: rawJSON?.(text) })).toThrow(/"a" .*rawJSON/)
    }
  })

  test('writes fractions with allowFractions, but neither NaN nor unsafe integers', () => {
    expect(new TextDecoder().decode(formatJson({ a: 0.5 }, FRACTIONS_ALLOWED))).toBe('{"a":0.5}')
    expect(() => formatJson({ a: Number.NaN }, FRACTIONS_ALLOWED)).toThrow(invalidField)
    expect(() => formatJson({ a: 2 ** 53 }, FRACTIONS_ALLOWED)).toThrow(invalidField)
  })

  test('names the invalid member in the error, without its value', () => {
    const error = thrownBy(() => formatJson({ extInfo: { weight: 12345.678 } }))
    expect(error).toHaveProperty('issues', [
      {
        field: 'extInfo.weight',
        expected: 'a safe integer; write a fraction as a string, or set the option "allowFractions"',
      },
    ])
    expect(error.message).toContain('"extInfo.weight"')
    expect(error.message).not.toContain('12345')
  })

  test.each([
    ['a fraction in a Number object', Object(0.5), FRACTION],
    ['an unsafe integer', 2 ** 53, 'a safe integer; write other numbers as strings'],
    ['a BigInt object', Object(1n), 'a number or a string, not a BigInt'],
    ['a function', () => 1, 'a value that JSON can represent'],
  ])('explains the error for %s', (_, a, expected) => {
    expect(thrownBy(() => formatJson({ a }))).toHaveProperty('issues', [{ field: 'a', expected }])
  })

  test('explains the error for a __proto__ key', () => {
    const value = JSON.parse('{"__proto__":1}')
    expect(thrownBy(() => formatJson(value))).toHaveProperty('issues', [
      { field: '__proto__', expected: 'another name' },
    ])
  })

  test.each<[string, object]>([
    ['[0].a', [{ a: 0.5 }]],
    ['a1.1a[10]', { a1: { '1a': [...new Array(10).fill(0), 0.5] } }],
    ['extInfo.items[0].weightKg', { extInfo: { other: { a: 1 }, items: [{ tags: [1], weightKg: 0.5 }] } }],
    ['items[2]', { items: [{ a: 1 }, [2], 0.5] }],
    ['a.b', { a: { toJSON: () => ({ b: 0.5 }) } }],
    ['c', { a: shared, b: shared, c: 0.5 }],
    ['b.twice.n', { a: shared, b: { twice: { n: 0.5 } } }],
    ['[1]', [1, 0.5]],
  ])('and parseJson name the path %s of a fraction', (field, value) => {
    const message = `"${field}" must be ${FRACTION}`
    expect(thrownBy(() => formatJson(value))).toMatchObject({ issues: [{ field, expected: FRACTION }] })
    expect(thrownBy(() => formatJson(value)).message).toContain(message)
    for (const text of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
      expect(thrownBy(() => parseJson(encode(text))).message).toContain(message)
    }
  })

  test.each([
    ['0.5', 'it must be'],
    ['{"a\\"[{:,":0.5}', '"a"[{:," must be'],
    ['{"a":[[],{"b":[],"c":{"d":1.5e-1}}]}', '"a[1].c.d" must be'],
    ['{"a":1.00000000000000000001}', `"a" must be ${FRACTION}`],
    ['{"a":9007199254740993}', '"a" must be a safe integer; write other numbers as strings'],
  ])('and parseJson of %s report that %s a safe integer', (text, message) => {
    expect(thrownBy(() => parseJson(encode(text))).message).toContain(message)
  })

  test('and parseJson name at most 200 characters of a path', () => {
    const value = { ['k'.repeat(300)]: 0.5 }
    for (const error of [thrownBy(() => formatJson(value)), thrownBy(() => parseJson(encode(JSON.stringify(value))))]) {
      expect(error.message).toContain(`"${'k'.repeat(200)}" must`)
    }
  })

  test('writes any value so that parseJson returns the result of JSON.parse, or rejects it', () => {
    const anything = fc.object({
      maxDepth: 4,
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
    })
    fc.assert(
      fc.property(anything, (value) => {
        let written: Uint8Array
        try {
          written = formatJson(value)
        } catch (error) {
          expect(error).toHaveProperty('code', 'ERR_FIELD_INVALID')
          return
        }
        expect(parseJson(written)).toStrictEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  test('rejects circular references without following them', () => {
    const circular: { left?: unknown; right?: unknown } = {}
    Object.assign(circular, { left: circular, right: circular })
    expect(thrownBy(() => formatJson(circular))).toMatchObject({
      code: 'ERR_FIELD_INVALID',
      message: 'The order cannot be sent: it must be free of circular references.',
    })
  })

  test('rethrows a TypeError of toJSON() unchanged', () => {
    const broken = new TypeError('out of paper')
    const toJSON = () => {
      throw broken
    }
    expect(thrownBy(() => formatJson({ a: { toJSON } }))).toBe(broken)
  })

  test.each([
    ['an error whose message says "circular"', new Error('a circular letter')],
    [
      'an error whose toString() throws',
      Object.assign(new Error('out of paper'), {
        toString() {
          throw new RangeError('out of ink')
        },
      }),
    ],
  ])('rethrows an error of toJSON() unchanged: %s', (_, broken) => {
    const toJSON = () => {
      throw broken
    }
    expect(thrownBy(() => formatJson({ a: { toJSON } }))).toBe(broken)
  })

  test('rejects a value whose toJSON() returns undefined', () => {
    const error = thrownBy(() => formatJson({ toJSON: () => undefined }))
    expect(error).toMatchObject({ name: 'ProtocolError', code: 'ERR_FIELD_INVALID' })
    expect(error.message).toBe('The order cannot be sent: it must be a value that JSON can represent.')
  })

  test('writes 64 levels of nesting', () => {
    expect(formatJson(JSON.parse(nested(64)))).toEqual(encode(nested(64)))
  })

  test('explains the error for 65 levels of nesting', () => {
    expect(thrownBy(() => formatJson(JSON.parse(nested(65)))).message).toBe(
      'The order cannot be sent: it must be nested at most 64 levels deep.',
    )
  })
})

describe('parseLoosely', () => {
  test.each(['{}', '{"a":1,"a":1.5}', '[]', 'null', '"{}"', '1e999'])('parses %s without the strict checks', (text) => {
    const isObject = text.startsWith('{')
    expect(parseLoosely(encode(text), STRICT_JSON)).toStrictEqual({ text, isObject, value: JSON.parse(text) })
  })

  test.each([
    ['a truncated object', encode('{')],
    ['empty input', encode('')],
    ['a byte order mark', encode('\uFEFF{}')],
    ['bytes that are not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d)],
  ])('returns undefined for %s', (_, input) => {
    expect(parseLoosely(input, STRICT_JSON)).toBeUndefined()
  })

  test.each([
    ['an array', nested(65), false],
    ['an object', ` \n{"a":${nested(65)}}`, true],
  ])('does not parse %s that is nested too deeply', (_, text, isObject) => {
    expect(parseLoosely(encode(text), STRICT_JSON)).toStrictEqual({ text, isObject, value: TOO_DEEP })
  })

  test.each([
    ['brackets that are not closed', '['.repeat(100)],
    ['braces that are not closed', '{"a":'.repeat(100)],
    ['a string that is not closed', `${nested(100)}"\\`],
  ])('returns undefined for %s', (_, text) => {
    expect(parseLoosely(encode(text), STRICT_JSON)).toBeUndefined()
  })
})

function isStrict(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, member]) => key !== '__proto__' && isStrict(member))
}

function attempt(run: () => unknown): { ok: true; value: unknown } | { ok: false; error: unknown } {
  try {
    return { ok: true, value: run() }
  } catch (error) {
    return { ok: false, error }
  }
}

describe('canonicalJson', () => {
  test.each([
    ['{"b":1,"a":[{"d":null,"c":"x"},2]}', '{"a":[{"c":"x","d":null},2],"b":1}'],
    ['[]', '[]'],
    ['{}', '{}'],
    ['[[1],[2,3]]', '[[1],[2,3]]'],
    ['"\\u0061\\""', '"a\\""'],
    ['null', 'null'],
    ['true', 'true'],
    ['1.0e1', '10'],
  ])('writes %s as %s', (text, canonical) => {
    expect(canonicalJson(JSON.parse(text))).toBe(canonical)
  })

  test('writes a value so that it can be parsed, whatever the order of its keys', () => {
    const reversed = (value: unknown): unknown => {
      if (typeof value !== 'object' || value === null) return value
      if (Array.isArray(value)) return value.map(reversed)
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, member]) => [key, reversed(member)]),
      )
    }
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const plain = JSON.parse(JSON.stringify(value))
        expect(JSON.parse(canonicalJson(plain))).toEqual(plain)
        expect(canonicalJson(reversed(plain))).toBe(canonicalJson(plain))
      }),
    )
  })
})
