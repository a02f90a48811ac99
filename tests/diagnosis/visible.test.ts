import { describe, expect, test } from 'vitest'
import { maskBody, shownHeader, toVisible, visible } from '../../src/diagnosis/visible.ts'
import { bytesOf } from '../support/messages.ts'

const maskOf = (text: string) => Buffer.from(maskBody(bytesOf(text))).toString()

describe('visible shows', () => {
  test.each([
    ['text as it is', '{"a":"點心 é"}', '{"a":"點心 é"}'],
    ['control characters as their pictures', '\0\t\n\r\x1f\x20\x7f', '␀␉␊␍␟ ␡'],
    ['other control characters by their number', '\x80\x9f', '<U+0080><U+009F>'],
    ['a byte order mark', '\ufeff{}', '<U+FEFF>{}'],
    ['white space that is not a space', '\u00a0\u3000\u2028\u2029', '<U+00A0><U+3000><U+2028><U+2029>'],
    ['invisible and private characters', '\u200b\u00ad\ue000\u{f0000}', '<U+200B><U+00AD><U+E000><U+F0000>'],
  ])('%s', (_, text, shown) => {
    expect(visible(bytesOf(text))).toBe(shown)
    expect(toVisible(text)).toBe(shown)
  })

  test('bytes that are not UTF-8 as numbers, and ASCII as it is', () => {
    expect(visible(Uint8Array.of(0x7b, 0xff, 0xe9, 0x7f, 0x80, 0x7d))).toBe('{\\xff\\xe9␡\\x80}')
  })

  test('bytes that are not UTF-8 far inside', () => {
    const bytes = Buffer.concat([Buffer.alloc(3_000, 'a'), Buffer.of(0xff)])
    expect(visible(bytes)).toBe(`${'a'.repeat(3_000)}\\xff`)
  })

  test('4,000 characters, and how many more there are', () => {
    expect(visible(bytesOf('é'.repeat(4_000)))).toBe('é'.repeat(4_000))
    expect(visible(bytesOf('é'.repeat(4_001)))).toBe(`${'é'.repeat(4_000)}… (1 more characters)`)
  })
})

describe('maskBody hides', () => {
  test.each([
    ['letters, digits and other characters of values', '{"tradeNo":"Ab-1 點é"}', '{"tradeNo":"xx-0 □□"}'],
    ['numbers, but not true, false and null', '[-12.5e3,true,false,null,nul]', '[-00.0x0,true,false,null,xxx]'],
    ['unknown names', '{"name":1,"value" : 2}', '{"xxxx":0,"value" : 0}'],
    ['the name of a member as a value', '["tradeNo","amount"]', '["xxxxxxx","xxxxxx"]'],
    ['names that only contain a known one', '{"xamount":1,"amountx":2}', '{"xxxxxxx":0,"xxxxxxx":0}'],
    ['a name with an escape', '{"amount\\n":1}', '{"xxxxxx\\n":0}'],
    ['escapes of characters, but not their form', '["\\u00E9\\"\\\\\\/\\n"]', '["\\uxxxx\\"\\\\\\/\\n"]'],
    ['a known name behind an escaped quote', '{"x\\"amount":1}', '{"x\\"xxxxxx":0}'],
    ['a known name behind an escape that is none', '{"x\\ "amount":1}', '{"x\\ "xxxxxx":0}'],
    ['words that only end or begin like a literal', '[untrue,nullx]', '[xxxxxx,xxxxx]'],
    ['text that is not JSON', 'Chan=1&b="x', 'xxxx=0&x="x'],
    ['a string that is cut off', '{"tradeNo":"AB', '{"tradeNo":"xx'],
    ['nothing invisible', '["\ufeff\u00a0 "]', '["\ufeff\u00a0 "]'],
    [
      'no name of the protocol',
      '{"requestId":"a","merchantId":"a","merchantBizNo":"a","merchantBizType":"a","payAmount":{"currency":"a"},"discountAmount":1,"orderStatus":"a","orderCreateTime":1,"orderModifyTime":1,"userId":"a","openId":"a","extInfo":{},"result":{"resultCode":"a","resultStatus":"a","resultMessage":"a"},"orderId":"a"}',
      '{"requestId":"x","merchantId":"x","merchantBizNo":"x","merchantBizType":"x","payAmount":{"currency":"x"},"discountAmount":0,"orderStatus":"x","orderCreateTime":0,"orderModifyTime":0,"userId":"x","openId":"x","extInfo":{},"result":{"resultCode":"x","resultStatus":"x","resultMessage":"x"},"orderId":"x"}',
    ],
  ])('%s', (_, text, masked) => expect(maskOf(text)).toBe(masked))

  test('bytes that are not UTF-8 as letters and digits', () => {
    expect(Buffer.from(maskBody(Uint8Array.of(0x41, 0xff, 0x22))).toString()).toBe('x\\xxx"')
  })

  test('all of a long body, and keeps its length', () => {
    const long = `["${'A1'.repeat(5_000)}"]`
    expect(maskOf(long)).toBe(`["${'x0'.repeat(3_999)}${'x'.repeat(10_004 - 8_000)}`)
    expect(maskOf('A'.repeat(3_000))).toBe('x'.repeat(3_000))
    expect(maskOf('A'.repeat(8_000))).toBe('x'.repeat(8_000))
    expect(maskOf('1'.repeat(8_001))).toBe(`${'0'.repeat(8_000)}x`)
  })
})

describe('shownHeader shows', () => {
  test.each([
    'Client-Id',
    'content-type',
    'Content-Length',
    'content-encoding',
    'transfer-encoding',
    'request-time',
    'response-time',
    'date',
    'host',
    'tracer-id',
    'via',
    'server',
    'user-agent',
    'accept',
    'accept-encoding',
    'connection',
    'expect',
  ])('the value of %s, with visible control characters, up to 300 characters', (name) => {
    expect(shownHeader(name, 'a\tb')).toBe('a␉b')
    expect(shownHeader(name, 'x'.repeat(301))).toBe('x'.repeat(300))
  })

  test.each([
    'x-original-uri',
    'X-Original-URL',
    'x-forwarded-path',
    'x-forwarded-prefix',
    'x-forwarded-proto',
    'x-envoy-original-path',
    'x-script-name',
  ])('the path in %s without the values of its query', (name) => {
    expect(shownHeader(name, '/a?token=SECRET&b')).toBe('/a?token=…&b')
  })

  test.each([
    [
      'Signature',
      'algorithm=RSA256,keyVersion=1,signature=AAAA',
      'algorithm=RSA256,keyVersion=1,signature=… (4 characters)',
    ],
    ['encrypt', 'algorithm=RSA_AES, symmetricKey =\nAAAA', 'algorithm=RSA_AES, symmetricKey =… (5 characters)'],
    ['signature', 'a\n,SIGNATURE=AA', 'a␊,SIGNATURE=… (2 characters)'],
    ['signature', `${'x'.repeat(190)}signature=AA`, `${'x'.repeat(190)}signature=… (2 characters)`],
    ['signature', `${'x'.repeat(191)}signature=AA`, '… (203 characters)'],
    ['signature', 'AAAA', '… (4 characters)'],
    ['authorization', 'signature=AAAA', '… (14 characters)'],
    ['x-client-id', 'SECRET', '… (6 characters)'],
    ['x-client-ids', 'SECRET', '… (6 characters)'],
    ['client-id-2', 'SECRET', '… (6 characters)'],
    ['my-x-original-uri', 'SECRET', '… (6 characters)'],
    ['x-original-uri-2', 'SECRET', '… (6 characters)'],
  ])('no signature, key or unknown value: %s: %s', (name, value, shown) => {
    expect(shownHeader(name, value)).toBe(shown)
  })
})
