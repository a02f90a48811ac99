import { describe, expect, test } from 'vitest'
import { escapingChanges, jsonLayoutChanges, orderChanges, spaceChanges } from '../../../src/diagnosis/changes/json.ts'
import { bytesOf } from '../../support/messages.ts'
import { bodiesSignedInstead, signedInstead } from './signed-instead.ts'

const SAME_BYTES =
  'The bytes that are signed must be the bytes that are sent: serialize once, and turn off everything in transit that reformats the JSON.'
const fix = (what: string) => `The sender signed the JSON ${what}. ${SAME_BYTES}`

describe('spaceChanges tries the body', () => {
  test.each([
    ['{ "a b" : [ 1,\r\n\t2 ] }', '{"a b":[1,2]}'],
    ['{"a":"\\" \\\\ " , "b" : 1}', '{"a":"\\" \\\\ ","b":1}'],
    ['{ "a": "b c', '{"a":"b c'],
  ])('without white space, except inside strings: %s', (body, compact) => {
    expect(bodiesSignedInstead(spaceChanges(), body)).toContainEqual([
      `The sender signed the body without white space: something in transit reformats the JSON. ${SAME_BYTES}`,
      compact,
    ])
  })

  test('without the white space around it', () => {
    const around =
      'The sender signed the body without the white space around it: the sender, or something in transit, added it.'
    expect(bodiesSignedInstead(spaceChanges(), '\t\r\n {"a": 1} \n\r\t')).toContainEqual([around, '{"a": 1}'])
    // A byte order mark is another cause.
    expect(bodiesSignedInstead(spaceChanges(), '\ufeff{} ')).toContainEqual([around, '\ufeff{}'])
  })

  test('with the code of its cause, and not when nothing changes', () => {
    const codes = signedInstead(spaceChanges(), { body: bytesOf(' {"a" :1} ') }).map(({ code }) => code)
    expect(codes).toEqual(['body-whitespace', 'body-whitespace'])
    expect(signedInstead(spaceChanges(), { body: bytesOf('{"a":1}') })).toEqual([])
    expect(signedInstead(spaceChanges(), { body: Uint8Array.of(0x20, 0xff, 0x20) })).toEqual([])
  })
})

describe('jsonLayoutChanges tries the JSON', () => {
  const LAYOUTS: readonly (readonly [what: string, signed: string])[] = [
    ['with a space after each colon and comma, as Python writes it', '{"a": [1, {}], "b": []}'],
    ['indented by two spaces', '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": []\n}'],
    ['indented by four spaces', '{\n    "a": [\n        1,\n        {}\n    ],\n    "b": []\n}'],
    ['indented by two spaces, as Jackson writes it', '{\n  "a" : [\n    1,\n    { }\n  ],\n  "b" : [ ]\n}'],
    ['indented by tabs', '{\n\t"a": [\n\t\t1,\n\t\t{}\n\t],\n\t"b": []\n}'],
    ['indented by two spaces, with CRLF', '{\r\n  "a": [\r\n    1,\r\n    {}\r\n  ],\r\n  "b": []\r\n}'],
    ['indented by four spaces, with CRLF', '{\r\n    "a": [\r\n        1,\r\n        {}\r\n    ],\r\n    "b": []\r\n}'],
    ['indented by three spaces, as Perl writes it', '{\n   "a" : [\n      1,\n      {}\n   ],\n   "b" : []\n}'],
    ['with a space after each colon', '{"a": [1,{}],"b": []}'],
    ['with a space after each comma', '{"a":[1, {}], "b":[]}'],
    ['with spaces around each colon', '{"a" : [1, {}], "b" : []}'],
    ['with line breaks and without indentation', '{\n"a":[\n1,\n{}\n],\n"b":[]\n}'],
  ]

  test('as serializers write it, and in no other layout', () => {
    expect(bodiesSignedInstead(jsonLayoutChanges(), '{"a":[1,{}],"b":[]}')).toEqual(
      LAYOUTS.map(([what, signed]) => [fix(what), signed]),
    )
  })

  test('with the code of its cause', () => {
    const found = signedInstead(jsonLayoutChanges(), { body: bytesOf('{"a":1}') })
    expect(new Set(found.map(({ code }) => code))).toEqual(new Set(['body-whitespace']))
  })
})

describe('escapingChanges tries the strings', () => {
  const ESCAPED: readonly (readonly [what: string, signed: string])[] = [
    ['without escapes that JSON does not need', `{"é<>&='\`+/\\"\\\\\\n\\u001f\x7f":"點\u2028"}`],
    [
      'with \\uXXXX for every character that is not ASCII',
      `{"\\u00e9<>&='\`+/\\"\\\\\\n\\u001f\x7f":"\\u9ede\\u2028"}`,
    ],
    ['with \\uXXXX in upper case', `{"\\u00E9<>&='\`+/\\"\\\\\\n\\u001f\x7f":"\\u9EDE\\u2028"}`],
    ['with \\/ for every slash', `{"é<>&='\`+\\/\\"\\\\\\n\\u001f\x7f":"點\u2028"}`],
    ['with \\/ and \\uXXXX, as PHP writes it', `{"\\u00e9<>&='\`+\\/\\"\\\\\\n\\u001f\x7f":"\\u9ede\\u2028"}`],
    [
      "with \\u003c for <, >, &, = and ', as Gson writes it",
      `{"é\\u003c\\u003e\\u0026\\u003d\\u0027\`+/\\"\\\\\\n\\u001f\x7f":"點\\u2028"}`,
    ],
    [
      'with \\u003c for <, > and &, as Go writes it',
      `{"é\\u003c\\u003e\\u0026='\`+/\\"\\\\\\n\\u001f\x7f":"點\\u2028"}`,
    ],
    [
      'with the escapes of System.Text.Json',
      `{"\\u00E9\\u003C\\u003E\\u0026=\\u0027\\u0060\\u002B/\\u0022\\\\\\n\\u001f\\u007F":"\\u9EDE\\u2028"}`,
    ],
    ['with \\x7f and control characters in upper case', `{"é<>&='\`+/\\"\\\\\\n\\u001F\\u007F":"點\u2028"}`],
  ]
  /** Every character with an unusual escape. */
  const received = `{"\\u00e9<>&='\`+/\\"\\\\\\u000a\\u001f\x7f":"點\u2028"}`

  test('as serializers escape them, and in no other way', () => {
    expect(bodiesSignedInstead(escapingChanges(), received)).toEqual(
      ESCAPED.map(([what, signed]) => [fix(what), signed]),
    )
  })

  test('with the code of its cause, and not in text with a string that is not JSON', () => {
    const found = signedInstead(escapingChanges(), { body: bytesOf(received) })
    expect(new Set(found.map(({ code }) => code))).toEqual(new Set(['body-escaping']))
    expect(signedInstead(escapingChanges(), { body: bytesOf('{"é":"\\x"}') })).toEqual([])
  })
})

describe('orderChanges tries the members', () => {
  const tried = (body: string) => bodiesSignedInstead(orderChanges(bytesOf(body)), body)
  const ordered = (body: string, what: string) =>
    tried(body).flatMap(([found, signed]) => (found === fix(`with its members ${what}`) ? [signed] : []))

  test.each([
    ['sorted by name', '{"b":{"d":1,"c":2},"a":1,"B":2}', '{"B":2,"a":1,"b":{"c":2,"d":1}}'],
    ['sorted by name', '{"b":1,"c":2,"a":3,"a":4,"d":5}', '{"a":3,"a":4,"b":1,"c":2,"d":5}'],
    ['sorted by name, upper and lower case alike', '{"b":1,"A":2,"c":3}', '{"A":2,"b":1,"c":3}'],
    ['of the outermost object sorted by name', '{"b":{"d":1,"c":2},"a":1}', '{"a":1,"b":{"d":1,"c":2}}'],
    ['sorted by name, upper and lower case alike', '{"b":{"D":1,"c":2},"A":1}', '{"A":1,"b":{"c":2,"D":1}}'],
    ['in reverse order', '{"a":{"b":1,"c":2},"d":[{"e":1,"f":2}]}', '{"d":[{"f":2,"e":1}],"a":{"c":2,"b":1}}'],
    ['of the outermost object in reverse order', '{"a":{"b":1,"c":2},"d":1}', '{"d":1,"a":{"b":1,"c":2}}'],
    [
      'with "value" and "currency" the other way round',
      '{"a":{"currency":"HKD","value":"1"},"b":1,"c":2}',
      '{"a":{"value":"1","currency":"HKD"},"b":1,"c":2}',
    ],
  ])('%s: %s', (what, body, signed) => expect(ordered(body, what)).toEqual([signed]))

  /** JSON with these members, in this order. */
  const withMembers = (names: string) =>
    `{${names
      .split(' ')
      .map((name) => `"${name}":0`)
      .join(',')}}`

  test.each([
    [
      'extInfo x openId userId orderModifyTime orderCreateTime orderStatus discountAmount payAmount amount merchantBizType merchantBizNo tradeNo merchantId requestId',
      'requestId merchantId tradeNo merchantBizNo merchantBizType amount payAmount discountAmount orderStatus orderCreateTime orderModifyTime userId openId x extInfo',
    ],
    ['x orderId result', 'result orderId x'],
    ['x resultMessage resultStatus resultCode', 'resultCode resultStatus resultMessage x'],
    ['x currency value', 'value currency x'],
  ])('in the order of the API page: %s', (received, signed) => {
    expect(ordered(withMembers(received), 'in the order of the API page')).toEqual([withMembers(signed)])
  })

  // Java 17 printed these orders: java.util.HashMap has 16 buckets, or 32 for more than twelve members.
  test.each([
    [
      'requestId merchantId tradeNo merchantBizNo merchantBizType amount orderStatus orderCreateTime orderModifyTime userId openId extInfo',
      'amount tradeNo merchantId requestId orderCreateTime openId merchantBizType orderStatus merchantBizNo orderModifyTime userId extInfo',
    ],
    [
      'requestId merchantId tradeNo merchantBizNo merchantBizType amount payAmount orderStatus orderCreateTime orderModifyTime userId openId extInfo',
      'amount tradeNo orderCreateTime openId merchantBizType orderStatus userId extInfo payAmount merchantId requestId merchantBizNo orderModifyTime',
    ],
  ])('in the order of a HashMap of Java: %s', (received, signed) => {
    const nested = (names: string, inner: string) => `{"note":${withMembers(inner)},${withMembers(names).slice(1)}`
    expect(ordered(withMembers(received), 'in the order of a HashMap of Java')).toEqual([withMembers(signed)])
    expect(ordered(`[${withMembers('value currency')}]`, 'in the order of a HashMap of Java')).toEqual([
      `[${withMembers('currency value')}]`,
    ])
    expect(
      ordered(nested('b a', 'value currency'), 'of the outermost object in the order of a HashMap of Java'),
    ).toEqual([nested('a b', 'value currency')])
  })

  test('with one member of the outermost object in another place, each place once', () => {
    const moved = ordered('{"a":{"x":1,"y":2},"b":2,"c":3,"d":4}', 'in another order')
    const orders = moved.map((signed) => Object.keys(JSON.parse(signed)).join(''))
    expect(orders.toSorted()).toEqual(['acbd', 'abdc', 'acdb', 'adbc', 'bacd', 'bcad', 'bcda', 'cabd', 'dabc'].sort())
    for (const signed of moved) expect(signed).toContain('"a":{"x":1,"y":2}')
  })

  test('in other places up to 20 members and 16 KiB', () => {
    const count = (body: string) => ordered(body, 'in another order').length
    const members = (length: number) => withMembers(Array.from({ length }, (_, index) => `m${index}`).join(' '))
    expect([count(members(20)), count(members(21))]).toEqual([361, 0])
    const ofSize = (size: number) => `{"a":1,"b":"${'x'.repeat(size - 14)}"}`
    expect([ofSize(16_384).length, count(ofSize(16_384)), count(ofSize(16_385))]).toEqual([16_384, 1, 0])
  })

  test('with the code of its cause', () => {
    const found = signedInstead(orderChanges(bytesOf('{"b":1,"a":2}')), { body: bytesOf('{"b":1,"a":2}') })
    expect(new Set(found.map(({ code }) => code))).toEqual(new Set(['body-key-order']))
    expect(signedInstead(orderChanges(Uint8Array.of(0xff)), { body: Uint8Array.of(0xff) })).toEqual([])
  })
})
