import { describe, expect, test } from 'vitest'
import { charsetChanges } from '../../../src/diagnosis/changes/charset.ts'
import { bodiesSignedInstead } from './signed-instead.ts'

const fix = (what: string) =>
  `The sender signed the body ${what}. Write and sign the body in UTF-8, and do not convert it in transit.`
const tried = (body: string | Uint8Array) => bodiesSignedInstead(charsetChanges(), body, 'hex')
const hex = (text: string) => Buffer.from(text).toString('hex')
const fromHex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

test('charsetChanges changes the body, and has one code', () => {
  expect(new Set(charsetChanges().map(({ code, part }) => `${part}: ${code}`))).toEqual(new Set(['body: body-charset']))
})

describe('charsetChanges tries, for', () => {
  test('a text of Western Europe, every charset that has its characters', () => {
    expect(tried('café™')).toEqual([
      [fix('in Windows-1252'), '636166e999'],
      [fix('after its UTF-8 was read as Latin-1'), hex('cafÃ©â\u0084¢')],
      [fix('after its UTF-8 was read as Windows-1252'), hex('cafÃ©â„¢')],
      [fix('in Latin-1, with "?" for other characters'), '636166e93f'],
      [fix('in ASCII, with "?" for other characters'), '6361663f3f'],
      [fix('in UTF-16, little-endian'), '630061006600e9002221'],
      [fix('in UTF-16, big-endian'), '00630061006600e92122'],
      [fix('in the Unicode form NFD'), hex('cafe\u0301™')],
    ])
  })

  test('a control character, no charset that lacks it', () => {
    const found = tried('\u0080').map(([text]) => text)
    expect(found).toContain(fix('in Latin-1'))
    expect(found).not.toContain(fix('in Windows-1252'))
  })

  test('a text of Latin-1', () => {
    expect(tried('é')).toEqual(
      expect.arrayContaining([
        [fix('in Latin-1'), 'e9'],
        [fix('in Windows-1252'), 'e9'],
      ]),
    )
  })

  test('a decomposed text, its composed form', () => {
    expect(tried('e\u0301')).toContainEqual([fix('in the Unicode form NFC'), hex('é')])
  })

  test('Chinese text, GBK and Big5', () => {
    expect(tried('點')).toEqual(
      expect.arrayContaining([
        [fix('in GBK'), 'fc63'],
        [fix('in Big5'), 'c249'],
        [fix('in Latin-1, with "?" for other characters'), '3f'],
      ]),
    )
    // Three characters of GBK too.
    expect(tried('點心').filter(([text]) => text.includes('arrived in'))).toEqual([])
  })

  test('the first and the last characters of each charset', () => {
    expect(tried('\u00a0ÿ')).toEqual(expect.arrayContaining([[fix('in Latin-1'), 'a0ff']]))
    expect(tried('€ÿ')).toEqual(expect.arrayContaining([[fix('in Windows-1252'), '80ff']]))
    expect(tried('丂鼤')).toEqual(expect.arrayContaining([[fix('in GBK'), '8140fc95']]))
    expect(tried('\u3000龤')).toEqual(expect.arrayContaining([[fix('in Big5'), 'a140f9a1']]))
  })

  test('a character with two places in Big5, the first', () => {
    expect(tried('═')).toContainEqual([fix('in Big5'), 'a2a4'])
  })

  test('U+FFFD, no charset, because none has it', () => {
    expect(tried('\ufffd').map(([text]) => text)).not.toContainEqual(expect.stringMatching(/body in (?:GBK|Big5)\./))
  })

  test('UTF-8 that was read as Latin-1 or Windows-1252 and written as UTF-8 again, the text before', () => {
    const asLatin1 = Buffer.from(Buffer.from('點€').toString('latin1'))
    const [first, ...others] = tried(asLatin1)
    expect(first).toEqual([fix('before its UTF-8 was read as Latin-1 and written as UTF-8 again'), hex('點€')])
    expect(others).not.toContainEqual([expect.stringContaining('before its UTF-8'), expect.anything()])
    expect(tried('cafÃ©â‚¬')).toContainEqual([
      fix('before its UTF-8 was read as Windows-1252 and written as UTF-8 again'),
      hex('café€'),
    ])
  })

  test('bytes of Latin-1 or Windows-1252, UTF-8', () => {
    expect(tried(fromHex('63e980'))).toEqual([
      [fix('in UTF-8, but it arrived in Latin-1'), hex('cé\u0080')],
      [fix('in UTF-8, but it arrived in Windows-1252'), hex('cé€')],
      [fix('after its UTF-8 was read as Latin-1'), hex('cé\u0080')],
      [fix('after its UTF-8 was read as Windows-1252'), hex('cé€')],
      [fix('after it was read as UTF-8, which it is not, with U+FFFD for some bytes'), hex('c\ufffd')],
      [fix('in UTF-8, but it arrived in GBK'), hex(new TextDecoder('gbk').decode(fromHex('63e980')))],
    ])
  })

  test('bytes of Big5 or GBK, UTF-8', () => {
    expect(tried(fromHex('c249a4df'))).toEqual(
      expect.arrayContaining([[fix('in UTF-8, but it arrived in Big5'), hex('點心')]]),
    )
    expect(tried(fromHex('c4ccb2e8'))).toEqual(
      expect.arrayContaining([[fix('in UTF-8, but it arrived in GBK'), hex('奶茶')]]),
    )
  })

  test('the byte 80, what it is in Latin-1', () => {
    expect(tried(fromHex('6180'))).toContainEqual([fix('after its UTF-8 was read as Latin-1'), hex('a\u0080')])
  })

  test('an empty body, nothing', () => expect(tried('')).toEqual([]))

  test('ASCII, UTF-16 only', () => {
    expect(tried('{}')).toEqual([
      [fix('in UTF-16, little-endian'), '7b007d00'],
      [fix('in UTF-16, big-endian'), '007b007d'],
    ])
  })

  test('a byte order mark that is not UTF-8, the bytes that a decoder leaves', () => {
    expect(tried(fromHex('efbbbfff'))).toContainEqual([
      fix('after it was read as UTF-8, which it is not, with U+FFFD for some bytes'),
      hex('\ufeff\ufffd'),
    ])
  })
})
