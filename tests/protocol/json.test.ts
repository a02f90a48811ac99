import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { formatJson, parseJson, parseLoosely } from '../../src/protocol/json.ts'
import { thrownBy } from '../support/thrown.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const parse = (text: string) => parseJson(bytes(text))
const parseFractions = (text: string) => parseJson(bytes(text), { maxDepth: 64, allowFractions: true })
const nested = (depth: number, [open, close] = ['[', ']']) => open.repeat(depth) + close.repeat(depth)
const INVALID = expect.objectContaining({ name: 'RejectionError', code: 'ERR_JSON_INVALID' })
const UNFIT = expect.objectContaining({ name: 'RejectionError', code: 'ERR_FIELD_INVALID' })

describe('what has only one reading is parsed', () => {
  test.each([
    ['an object', '{"a":1,"b":"x"}'],
    ['the same key in two objects', '{"a":{"x":1},"b":{"x":2},"x":3}'],
    ['the same key in the objects of an array', '[{"x":1},{"x":2}]'],
    ['keys that differ by an escape', '{"a":1,"\\u0062":2}'],
    ['a string that looks like a duplicate key', '{"a":"a","b":"\\"a\\":1"}'],
    ['a value that is "__proto__"', '{"a":"__proto__"}'],
    ['an array of equal strings, and of "__proto__"', '["x","x","__proto__","__proto__"]'],
    ['keys that resemble __proto__', '{"__proto":1,"proto__":2,"__PROTO__":3}'],
    ['constructor and prototype, which are ordinary keys', '{"constructor":1,"prototype":2,"toString":3}'],
    ['brackets, commas and numbers inside strings', '{"a":"{[1.5,\\"}],9007199254740993"}'],
    ['a backslash before the closing quote', '{"a":"\\\\","b":"\\\\\\""}'],
    ['the greatest safe integers', '[9007199254740991,-9007199254740991]'],
    ['zero', '[0,-0,0.0,0e5]'],
    ['integers in other notations', '[1.0,1e3,1.5e1,1.716340341E12,100e-2,-5.0]'],
    ['white space everywhere', ' {\n"a" :\t[ 1 , 2 ] \r\n} '],
    ['nothing but a scalar', '5'],
    ['an empty key', '{"":1}'],
    ['64 levels', nested(64)],
    ['characters beyond the basic plane', '{"a":"𝒳😀"}'],
  ])('%s', (_, text) => {
    expect(parse(text)).toStrictEqual(JSON.parse(text))
  })
})

describe('what has two readings, or none, is refused', () => {
  test.each([
    ['a duplicate key', '{"a":1,"a":1}'],
    ['a duplicate key after other members', '{"a":1,"b":{"c":[1,{"d":2}]},"a":2}'],
    ['a duplicate key, one of them escaped', '{"a":1,"\\u0061":2}'],
    ['a duplicate key, both escaped in other ways', '{"\\/":1,"\\u002f":2}'],
    ['a duplicate key, deep inside', '{"x":[{"y":{"a":1,"a":2}}]}'],
    ['a duplicate empty key', '{"":1,"":2}'],
    ['a duplicate of "constructor"', '{"constructor":1,"constructor":2}'],
    ['__proto__', '{"__proto__":{}}'],
    ['__proto__, escaped', '{"\\u005f_proto__":{}}'],
    ['__proto__, deep inside', '{"a":[{"b":{"__proto__":1}}]}'],
    ['65 levels of arrays', nested(65)],
    ['65 levels of objects', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`],
    ['100,000 levels', nested(100_000)],
    ['an integer past the safe ones', '{"a":9007199254740992}'],
    ['a negative integer past the safe ones', '[-9007199254740992]'],
    ['a fraction', '{"a":1.5}'],
    ['a fraction that a double rounds to an integer', '[1.00000000000000000001]'],
    ['a fraction that a double rounds to the greatest safe integer', '[9007199254740991.4]'],
    ['a fraction that a double rounds to zero', '[1e-400]'],
    ['a fraction in another notation', '[15e-1]'],
    ['a number too large for a double', '[1e400]'],
    ['a number at the very end', '1.5'],
    ['nothing', ''],
    ['white space', ' \n'],
    ['a cut object', '{"a":1'],
    ['a cut string', '{"a":"'],
    ['a trailing comma', '{"a":1,}'],
    ['two values', '{} {}'],
    ['single quotes', "{'a':1}"],
    ['a comment', '{"a":1/**/}'],
    ['NaN', '[NaN]'],
    ['a leading zero', '[01]'],
    ['a control character in a string', '["\u0001"]'],
    ['a byte order mark', '\uFEFF{}'],
  ])('%s', (_, text) => {
    expect(() => parse(text)).toThrow(INVALID)
  })

  test.each([
    ['a byte that never occurs', [0x22, 0xff, 0x22]],
    ['an overlong form', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a sequence cut off', [0x22, 0xe4, 0xb8, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]],
    ['Latin-1', [0x22, 0xe9, 0x22]],
  ])('bytes that are not UTF-8: %s', (_, list) => {
    expect(() => parseJson(Uint8Array.from(list))).toThrow(INVALID)
  })

  test('the error quotes nothing of the text', () => {
    for (const text of ['{"pin":"SECRET-1"', '{"SECRET-1":1,"SECRET-1":2}', '{"a":SECRET-1}', '[1.5,"SECRET-1"]']) {
      const error = thrownBy(() => parse(text))
      expect(JSON.stringify([error.message, error.stack, error.cause])).not.toContain('SECRET-1')
    }
  })
})

describe('allowFractions lets numbers through as the nearest double', () => {
  test.each(['1.5', '-0.1', '15e-1', '1.00000000000000000001', '1e-400', '0.30000000000000004'])('%s', (text) => {
    expect(parseFractions(text)).toBe(Number(text))
  })

  test.each(['9007199254740993', '9007199254740992.5', '1e400', '1e21'])('but not %s', (text) => {
    expect(() => parseFractions(text)).toThrow(INVALID)
  })

  test.each(['{"a":1,"a":1}', '{"__proto__":1}', nested(65)])('and everything else stays strict: %#', (text) => {
    expect(() => parseFractions(text)).toThrow(INVALID)
  })
})

test('all that JSON.stringify writes of safe values is read back', () => {
  const value = fc.jsonValue({ noUnicodeString: false }).filter((json) => isPlain(json))
  fc.assert(
    fc.property(value, (json) => {
      expect(parse(JSON.stringify(json))).toStrictEqual(JSON.parse(JSON.stringify(json)))
    }),
  )
})

test('no text is accepted that JSON.parse refuses, and none is read otherwise', () => {
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
      const ours = attempt(() => parse(text))
      if (ours.ok) expect(ours.value).toStrictEqual(JSON.parse(text))
      else expect(ours.error).toEqual(INVALID)
    }),
    { numRuns: 2_000 },
  )
})

test('a number is accepted exactly when it is a safe integer, in whatever notation', () => {
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
])('a text twice as long takes no more than twice the steps: %s', (_, make) => {
  const once = stepsOf(() => parse(make(4_000)))
  const twice = stepsOf(() => parse(make(8_000)))
  expect(once).toBeGreaterThan(1)
  expect(twice).toBeLessThan(once * 2.2)
})

describe('formatJson', () => {
  test.each<[string, object]>([
    ['an order-like object', { a: 'x', b: 1, c: { d: [true, null] } }],
    ['members that are undefined, which are left out', { a: undefined, b: 1 }],
    ['dates, in their own form', { at: new Date(0) }],
    ['the greatest safe integer', { a: Number.MAX_SAFE_INTEGER }],
    ['lone surrogates', { a: '\ud800' }],
    ['keys named like methods', { constructor: 1, toString: 2 }],
    ['a number in an object', { a: Object(1) }],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
    ['an object of a class', { url: new URL('https://example.com'), map: new Map([[1, 2]]) }],
  ])('writes %s, so that parseJson reads the same', (_, value) => {
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
    ['a fraction in an object', { a: Object(0.5) }],
    ['a fraction that a method makes', { a: { toJSON: () => 0.5 } }],
    ['a __proto__ key', JSON.parse('{"a":{"__proto__":{}}}')],
    ['65 levels', JSON.parse(nested(65))],
  ])('refuses %s', (_, value) => {
    expect(() => formatJson(value)).toThrow(UNFIT)
  })

  const { rawJSON } = JSON as { rawJSON?: (text: string) => object }

  test.skipIf(rawJSON === undefined)('refuses raw JSON, which could hold any number', () => {
    for (const text of ['9007199254740993', '1']) {
      expect(() => formatJson({ a: rawJSON?.(text) })).toThrow(UNFIT)
      expect(() => formatJson({ a: rawJSON?.(text) })).toThrow(/"a" .*rawJSON/)
    }
  })

  test('allowFractions lets fractions out, but neither NaN nor unsafe integers', () => {
    const limits = { maxDepth: 64, allowFractions: true }
    expect(new TextDecoder().decode(formatJson({ a: 0.5 }, limits))).toBe('{"a":0.5}')
    expect(() => formatJson({ a: Number.NaN }, limits)).toThrow(UNFIT)
    expect(() => formatJson({ a: 2 ** 53 }, limits)).toThrow(UNFIT)
  })

  test('names the member at fault, and does not quote its value', () => {
    const error = thrownBy(() => formatJson({ extInfo: { weight: 12345.678 } }))
    expect(error).toHaveProperty('issues', [
      { field: 'weight', expected: 'a safe integer; write other numbers as strings' },
    ])
    expect(error.message).toContain('"weight"')
    expect(error.message).not.toContain('12345')
  })

  test.each([
    ['a fraction in an object', Object(0.5), 'a safe integer; write other numbers as strings'],
    ['a BigInt in an object', Object(1n), 'a number or a string, not a BigInt'],
  ])('says what is wrong with %s', (_, a, expected) => {
    expect(thrownBy(() => formatJson({ a }))).toHaveProperty('issues', [{ field: 'a', expected }])
  })

  test('of anything, writes what parseJson reads as JSON would have it, or refuses it', () => {
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

  test('an object that holds itself is no endless work', () => {
    const circle: { left?: unknown; right?: unknown } = {}
    Object.assign(circle, { left: circle, right: circle })
    expect(thrownBy(() => formatJson(circle))).toMatchObject({
      code: 'ERR_FIELD_INVALID',
      message: 'The order cannot be sent: it must be free of objects that hold themselves.',
    })
  })

  test("lets through what the merchant's own code throws, a TypeError too", () => {
    const broken = new TypeError('out of paper')
    const toJSON = () => {
      throw broken
    }
    expect(thrownBy(() => formatJson({ a: { toJSON } }))).toBe(broken)
  })

  test.each([
    ['an error that speaks of something circular', new Error('a circular letter')],
    [
      'an error that cannot be printed',
      Object.assign(new Error('out of paper'), {
        toString() {
          throw new RangeError('out of ink')
        },
      }),
    ],
  ])("lets through what the merchant's own code throws: %s", (_, broken) => {
    const toJSON = () => {
      throw broken
    }
    expect(thrownBy(() => formatJson({ a: { toJSON } }))).toBe(broken)
  })

  test('refuses a value that makes nothing of itself', () => {
    expect(() => formatJson({ toJSON: () => undefined })).toThrow(UNFIT)
  })

  test('says of nesting that it is too deep, in a sentence', () => {
    expect(thrownBy(() => formatJson(JSON.parse(nested(65)))).message).toBe(
      'The order cannot be sent: it must be nested at most 64 levels deep.',
    )
  })
})

test.each(['{}', '{"a":1,"a":1.5}', '[]', 'null', '"{}"', '1e999'])('%s is JSON, strict or not', (text) => {
  expect(parseLoosely(bytes(text))).toStrictEqual({ text, value: JSON.parse(text) })
})

test.each([
  ['an object that does not end', bytes('{')],
  ['nothing', bytes('')],
  ['a byte order mark', bytes('\uFEFF{}')],
  ['bytes that are not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d)],
])('%s: no JSON', (_, input) => {
  expect(parseLoosely(input)).toBeUndefined()
})

function isPlain(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, member]) => key !== '__proto__' && isPlain(member))
}

function attempt(run: () => unknown): { ok: true; value: unknown } | { ok: false; error: unknown } {
  try {
    return { ok: true, value: run() }
  } catch (error) {
    return { ok: false, error }
  }
}

/** Every character that is looked at or copied by our own code counts as one step; JSON.parse itself is not ours. */
function stepsOf(run: () => unknown): number {
  let steps = 0
  for (const name of ['charCodeAt', 'charAt', 'codePointAt', 'at'] as const) {
    const original = String.prototype[name] as (this: string, at: number) => never
    vi.spyOn(String.prototype, name).mockImplementation(function (this: string, at = 0) {
      steps += 1
      return original.call(this, at)
    })
  }
  for (const name of ['slice', 'substring'] as const) {
    const original = String.prototype[name] as (this: string, from: number, to?: number) => string
    vi.spyOn(String.prototype, name).mockImplementation(function (this: string, from = 0, to?: number) {
      const part = original.call(this, from, to)
      steps += part.length
      return part
    })
  }
  attempt(run)
  vi.restoreAllMocks()
  return steps
}
