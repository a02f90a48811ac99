import { describe, expect, test } from 'vitest'
import { compact, countMembers, layOut, reorder, rewriteStrings } from '../../src/diagnosis/json-text.ts'

const PYTHON = { colon: ': ', comma: ', ' }
const INDENTED = { colon: ': ', comma: ',', indent: ' ' }
const reversed = (text: string) => reorder(text, (members) => members.toReversed())
const nested = (depth: number, inner = '') => '['.repeat(depth) + inner + ']'.repeat(depth)

describe('compact removes the white space of JSON', () => {
  test.each([
    ['{ "a b" :\t1,\r\n"c" : [ ] }', '{"a b":1,"c":[]}'],
    ['"a \\" b" "\\\\" c', '"a \\" b""\\\\"c'],
    ['{ "a": "b  c', '{"a":"b  c'],
    ['"a\\', '"a\\'],
    ['"a\\ b" 1', '"a\\ b"1'],
    ['\u00a0{}\ufeff', '\u00a0{}\ufeff'],
  ])('%j', (text, expected) => expect(compact(text)).toBe(expected))
})

describe('layOut', () => {
  test.each([
    ['{"a":[1,"x:,{} y"],"b":{}}', PYTHON, '{"a": [1, "x:,{} y"], "b": {}}'],
    ['{ "a" : 1 ,\n"b":2}', PYTHON, '{"a": 1, "b": 2}'],
    ['["a\\ b"]', PYTHON, '["a\\ b"]'],
    ['{"a":[[],{}]}', { ...INDENTED, empty: ' ' }, '{\n "a": [\n  [ ],\n  { }\n ]\n}'],
    ['{"a":[1,2]}', { ...INDENTED, newline: '\r\n' }, '{\r\n "a": [\r\n  1,\r\n  2\r\n ]\r\n}'],
    ['[1]]]{"a":1}', INDENTED, '[\n 1\n]\n]\n]{\n "a": 1\n}'],
    ['{"a":12345678901234567890,"a":"cut', PYTHON, '{"a": 12345678901234567890, "a": "cut'],
    ['{[', INDENTED, '{\n [\n  '],
    ['', INDENTED, ''],
  ])('rewrites the white space of %j', (text, layout, expected) => expect(layOut(text, layout)).toBe(expected))

  test('indents no further than 64 levels', () => {
    const lines = layOut(nested(70, `"${'x'.repeat(1_000)}"`), INDENTED)?.split('\n') ?? []
    expect(lines.map((line) => line.search(/\S/)).slice(60, 80)).toEqual([
      ...[60, 61, 62, 63, 64, 64, 64, 64, 64, 64, 64],
      ...[64, 64, 64, 64, 64, 64, 63, 62, 61],
    ])
  })

  test('makes a text at most eight times as long, and 1,024 characters more', () => {
    const colon = (length: number) => layOut('{"a":1', { ...PYTHON, colon: ' '.repeat(length) })
    expect(colon(1_068)).toHaveLength(1_073)
    expect(colon(1_069)).toBeUndefined()
  })

  test('returns undefined when nesting would make the text much longer', () => {
    expect(layOut(nested(2_000), INDENTED)).toBeUndefined()
    expect(layOut(nested(2_000), PYTHON)).toBe(nested(2_000))
    expect(layOut(nested(12, '1'), { ...INDENTED, indent: ' '.repeat(8) })).toMatch(/^\[\n {8}\[/)
  })
})

describe('rewriteStrings', () => {
  const upper = (value: string) => value.toUpperCase()

  test.each([
    ['{"a":"b\\u00e9",c:1}', '{"A":"BÉ",c:1}'],
    ['["a\\"b\\\\"]', '["A"B\\"]'],
    ['[1]', '[1]'],
  ])('rewrites the strings of %s', (text, expected) => expect(rewriteStrings(text, upper)).toBe(expected))

  test.each(['["a', '["\\x"]', '["a\nb"]'])(
    'returns undefined for %j, which has a string that cannot be read',
    (text) => expect(rewriteStrings(text, upper)).toBeUndefined(),
  )
})

describe('reorder', () => {
  test.each([
    ['{"a":1,"b":2}', '{"b":2,"a":1}'],
    ['{"a":{"x":1,"y":[{"p":1,"q":2}]},"b":2}', '{"b":2,"a":{"y":[{"q":2,"p":1}],"x":1}}'],
    // White space keeps its place, except around the colon, which belongs to the member.
    [' { "a" :\t1 , "b":2  } ', ' { "b":2 , "a" :\t1  } '],
    ['[ 1 , { "a":1,"b":2 } ]', '[ 1 , { "b":2,"a":1 } ]'],
    ['{"a":1,"a":2}', '{"a":2,"a":1}'],
    ['{"n":1.50,"s":"\\u0041"}', '{"s":"\\u0041","n":1.50}'],
    ['{"a":"]","b":"{,:"}', '{"b":"{,:","a":"]"}'],
    ['[]', '[]'],
    ['[ ]', '[ ]'],
    ['{ }', '{ }'],
    [' 1 ', ' 1 '],
  ])('keeps everything but the order of %j', (text, expected) => expect(reversed(text)).toBe(expected))

  test.each([
    '',
    ' ',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{"a" 1}',
    '{a:1}',
    '{"a":1 "b":2}',
    '{"a":}',
    '{"a":,}',
    '[',
    '[1',
    '[1,',
    '[1,]',
    '[1 2]',
    '[1:2]',
    '{"a":1:"b":2}',
    '[,1]',
    '[:]',
    ']',
    '}',
    ',',
    ':',
    '1 2',
    '{} {}',
    '[]]',
    '[{"a":1]',
    '{"a":[1}',
  ])('returns undefined for %j, which is not JSON', (text) => expect(reversed(text)).toBeUndefined())

  test('passes name and depth of the members, and keeps their order for undefined', () => {
    const seen: unknown[] = []
    const text = '{"a":{"b":1},"c":[{"d":2}]}'
    const kept = reorder(text, (members, depth) => {
      seen.push([depth, members.map(({ key, text }) => [key, text])])
      return undefined
    })
    expect(kept).toBe(text)
    expect(seen).toEqual([
      [1, [['b', '"b":1']]],
      [2, [['d', '"d":2']]],
      [
        0,
        [
          ['a', '"a":{"b":1}'],
          ['c', '"c":[{"d":2}]'],
        ],
      ],
    ])
  })

  test('reads 65 levels, and returns undefined for more', () => {
    const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
    expect(reversed(nested(65))).toBe(nested(65))
    expect(reversed(nested(66))).toBeUndefined()
    expect(reversed(objects(65))).toBe(objects(65))
    expect(reversed(objects(66))).toBeUndefined()
  })
})

test.each([
  ['{"a":1,"b":{"c":1,"d":2,"e":3}}', 2],
  ['{"a":{"b":1}}', 1],
  ['[{"a":1,"b":2}]', 0],
  ['{}', 0],
  ['{"a":1,"b":2', 0],
  ['1', 0],
])('countMembers counts the members of %s: %i', (text, count) => expect(countMembers(text)).toBe(count))
