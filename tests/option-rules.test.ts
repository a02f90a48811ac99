import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  anyValue,
  assertFunction,
  assertText,
  flag,
  functionWithDefault,
  hasMethod,
  nonNegativeNumber,
  type OptionRule,
  type OptionRules,
  oneOf,
  optionalOneOf,
  positiveNumber,
  resolveOptions,
  wholeNumber,
} from '../src/option-rules.ts'
import { thrownBy } from './support/thrown.ts'

interface Options {
  store: string
  timeoutMs?: number | undefined
  signedPath?: string | undefined
}

const RULES = {
  store: { required: true, assert: assertText },
  timeoutMs: positiveNumber(1_000),
  signedPath: { assert: assertText },
} as const satisfies OptionRules<Options>

const resolve = (options: unknown) => resolveOptions<Options, typeof RULES>('create', RULES, options as Options)

describe('resolveOptions', () => {
  test('fills in the defaults, and leaves an absent option without a default undefined', () => {
    expect(resolve({ store: 'memory' })).toStrictEqual({ store: 'memory', timeoutMs: 1_000, signedPath: undefined })
  })

  test('keeps the given values', () => {
    const options = { store: 'memory', timeoutMs: 5, signedPath: '/hook' }
    expect(resolve(options)).toStrictEqual(options)
  })

  test('treats an explicit undefined as absent', () => {
    expect(resolve({ store: 'memory', timeoutMs: undefined, signedPath: undefined })).toStrictEqual({
      store: 'memory',
      timeoutMs: 1_000,
      signedPath: undefined,
    })
  })

  test('treats null as a wrong value, not as absent', () => {
    expect(() => resolve({ store: 'memory', timeoutMs: null })).toThrow(RangeError)
    expect(() => resolve({ store: 'memory', signedPath: null })).toThrow(TypeError)
  })

  test.each([{}, { store: undefined }])('refuses %j without a required option, and names it', (options) => {
    expect(thrownBy(() => resolve(options))).toStrictEqual(new TypeError('"store" is missing'))
  })

  test.each(['timeoutMS', 'stores', '', 'toString', 'constructor', '__proto__'])(
    'refuses the unknown option %j, and names the owner',
    (name) => {
      const options: unknown = JSON.parse(`{"store":"memory",${JSON.stringify(name)}:1}`)
      expect(thrownBy(() => resolve(options))).toStrictEqual(new TypeError(`create() has no option "${name}"`))
    },
  )

  test('refuses an unknown option with the value undefined', () => {
    expect(() => resolve({ store: 'memory', timeoutMS: undefined })).toThrow('create() has no option "timeoutMS"')
  })

  test('quotes at most 64 characters of an unknown name', () => {
    expect(thrownBy(() => resolve({ ['x'.repeat(10_000)]: 1 })).message).toBe(
      `create() has no option "${'x'.repeat(64)}"`,
    )
  })

  test.each([undefined, null, 'memory', 5, true])('refuses %j instead of an object', (options) => {
    expect(thrownBy(() => resolve(options))).toStrictEqual(new TypeError('create() takes an object of options'))
  })

  test('does not change the given object', () => {
    const options = Object.freeze({ store: 'memory' })
    expect(resolve(options)).not.toBe(options)
    expect(options).toStrictEqual({ store: 'memory' })
  })

  test('has a type in which an option with a default is present', () => {
    expectTypeOf<ReturnType<typeof resolve>>().toEqualTypeOf<{
      readonly store: string
      readonly timeoutMs: number
      readonly signedPath: string | undefined
    }>()
  })
})

describe('the rule', () => {
  const sourceText = '() => {}'

  test.each<[string, OptionRule<unknown>, { accepts: unknown[]; refuses: unknown[]; error: Error }]>([
    [
      'positiveNumber',
      positiveNumber(1),
      {
        accepts: [0.5, 1, 2 ** 31, Number.MAX_VALUE],
        refuses: [0, -0, -1, Number.NaN, Number.POSITIVE_INFINITY, '1', 1n, null, {}, []],
        error: new RangeError('"name" must be positive and finite'),
      },
    ],
    [
      'positiveNumber of a timer',
      positiveNumber(1, { isTimer: true }),
      {
        accepts: [0.5, 2 ** 31 - 1],
        refuses: [2 ** 31, 2 ** 53],
        error: new RangeError('"name" must be less than 2 ** 31'),
      },
    ],
    [
      'nonNegativeNumber',
      nonNegativeNumber(1),
      {
        accepts: [0, 0.5, 1, Number.POSITIVE_INFINITY],
        refuses: [-1, -0.5, Number.NaN, '1', null, []],
        error: new RangeError('"name" must not be negative'),
      },
    ],
    [
      'wholeNumber from 0',
      wholeNumber(3, { min: 0 }),
      {
        accepts: [0, 1, Number.MAX_SAFE_INTEGER],
        refuses: [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, '1', null, []],
        error: new RangeError('"name" must be a whole number, 0 or more'),
      },
    ],
    [
      'wholeNumber from 1',
      wholeNumber(3, { min: 1 }),
      { accepts: [1, 2], refuses: [0, -1, 1.5], error: new RangeError('"name" must be a positive integer') },
    ],
    [
      'oneOf',
      oneOf(['red', 'green', 'blue'], 'red'),
      {
        accepts: ['red', 'green', 'blue'],
        refuses: ['', 'Red', 'toString', ['red'], 0, null],
        error: new RangeError('"name" must be red, green or blue'),
      },
    ],
    [
      'optionalOneOf',
      optionalOneOf(['red']),
      { accepts: ['red'], refuses: ['green', null], error: new RangeError('"name" must be red') },
    ],
    [
      'flag',
      flag(false),
      {
        accepts: [true, false],
        refuses: ['true', 0, 1, null],
        error: new TypeError('"name" must be true or false'),
      },
    ],
    [
      'functionWithDefault',
      functionWithDefault(() => 1),
      {
        accepts: [() => 1, Date.now, async () => {}],
        refuses: [sourceText, {}, null],
        error: new TypeError('"name" must be a function'),
      },
    ],
    [
      'assertFunction',
      { assert: assertFunction },
      { accepts: [() => {}], refuses: [sourceText, {}, null], error: new TypeError('"name" must be a function') },
    ],
    [
      'assertText',
      { assert: assertText },
      { accepts: ['', 'x'], refuses: [5, [], null, {}], error: new TypeError('"name" must be a string') },
    ],
  ])('%s accepts its values, throws for others, and names the option', (_, rule, { accepts, refuses, error }) => {
    for (const value of accepts) expect(() => rule.assert(value, 'name')).not.toThrow()
    for (const value of refuses) expect(thrownBy(() => rule.assert(value, 'name'))).toStrictEqual(error)
  })

  test.each<[string, OptionRule<unknown>, unknown]>([
    ['positiveNumber', positiveNumber(5), 5],
    ['nonNegativeNumber', nonNegativeNumber(0), 0],
    ['wholeNumber', wholeNumber(3, { min: 0 }), 3],
    ['oneOf', oneOf(['a', 'b'], 'b'), 'b'],
    ['flag', flag(false), false],
    ['functionWithDefault', functionWithDefault(Date.now), Date.now],
  ])('%s has the given default, and accepts it', (_, rule, expected) => {
    expect(rule.defaultValue).toBe(expected)
    expect(() => rule.assert(expected, 'name')).not.toThrow()
  })

  test('anyValue accepts every value, and has no default', () => {
    const rule: OptionRule<unknown> = anyValue()
    for (const value of [null, 0, 'x', {}, () => {}]) expect(() => rule.assert(value, 'name')).not.toThrow()
    expect(rule).not.toHaveProperty('defaultValue')
  })
})

describe('hasMethod', () => {
  test('is true for an object with that method, inherited or its own', () => {
    expect(hasMethod({ query: () => {} }, 'query')).toBe(true)
    expect(hasMethod(new Map(), 'get')).toBe(true)
  })

  test.each([undefined, null, 'text', 5, {}, { query: 'text' }, () => {}])('is false for %j', (value) => {
    expect(hasMethod(value, 'query')).toBe(false)
  })
})
