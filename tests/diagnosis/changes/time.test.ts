import { describe, expect, test } from 'vitest'
import { timeChanges } from '../../../src/diagnosis/changes/time.ts'
import { RECEIVED, signedInstead } from './signed-instead.ts'

/** What was signed as the time, with the words of the explanation. */
const tried = (time: string, headers: Readonly<Record<string, string>> = {}, header = 'Request-Time') =>
  signedInstead(timeChanges(time, header, new Map(Object.entries(headers))), { time }).map(({ code, fix, content }) => {
    const text = content.toString().slice(`POST /p\n${RECEIVED.clientId}.`.length, -'.body'.length)
    const what = /^The sender signed (.*?)\. Sign the text/s.exec(fix)?.[1] ?? ''
    expect(code).toBe('time')
    expect(fix).toBe(
      `The sender signed ${what}. Sign the text of the ${header} header, exactly as it is sent: store it in one variable, and use that for both.`,
    )
    return [what, text]
  })

/** The forms of 2024-05-22T01:12:21.120Z. */
const FORMS = [
  ['the time as ISO 8601 with the offset of Hong Kong', '2024-05-22T09:12:21+08:00'],
  ['the time as ISO 8601 in UTC with milliseconds', '2024-05-22T01:12:21.120Z'],
  ['the time as ISO 8601 in UTC', '2024-05-22T01:12:21Z'],
  ['the time as milliseconds since the epoch', '1716340341120'],
  ['the time as seconds since the epoch', '1716340341'],
  ['the time as an offset without a colon', '2024-05-22T09:12:21+0800'],
  ['the time as an offset of two digits', '2024-05-22T09:12:21+08'],
  ['the time as milliseconds and the offset of Hong Kong', '2024-05-22T09:12:21.120+08:00'],
  ['the time as milliseconds and an offset without a colon', '2024-05-22T09:12:21.120+0800'],
  ['the time as the local time of Hong Kong without an offset', '2024-05-22T09:12:21'],
  ['the time as the local time of Hong Kong with Z', '2024-05-22T09:12:21Z'],
  ['the time as UTC without an offset', '2024-05-22T01:12:21'],
  ['the time as UTC with the offset +00:00', '2024-05-22T01:12:21+00:00'],
  ['the time as UTC with the offset +0000', '2024-05-22T01:12:21+0000'],
  ['the time as UTC with the offset of Hong Kong', '2024-05-22T01:12:21+08:00'],
  ['the time as date and time with a space, in Hong Kong', '2024-05-22 09:12:21'],
  ['the time as date and time with a space, in UTC', '2024-05-22 01:12:21'],
  ['the time as digits without separators, in Hong Kong', '20240522091221'],
  ['the time as digits without separators, in UTC', '20240522011221'],
  ['the time as an HTTP date', 'Wed, 22 May 2024 01:12:21 GMT'],
]

describe('timeChanges tries', () => {
  test('every form in which programs write the time, the seconds around it, and other encodings', () => {
    const seconds = [-1, 1, -2, 2, -3, 3, -4, 4, -5, 5].map((shift) => [
      `a time that is ${Math.abs(shift)} s ${shift < 0 ? 'earlier' : 'later'}`,
      `2024-05-22T01:12:${21 + shift}.12Z`,
    ])
    expect(tried('2024-05-22T01:12:21.12Z')).toEqual([
      ...FORMS,
      ...seconds,
      ['the time in URL encoding', '2024-05-22T01%3A12%3A21.12Z'],
      ['no time', ''],
    ])
  })

  test.each([
    ['1716340341120', '1716340342120'],
    ['1716340341', '1716340342'],
    ['2024-05-22T23:59:59+08:00', '2024-05-23T00:00:00+08:00'],
  ])('a second later in the form of the header: %s', (time, later) =>
    expect(tried(time)).toContainEqual(['a time that is 1 s later', later]),
  )

  test.each([
    ['2024-05-22T09:12:21 08:00', ['the time as ISO 8601 with the offset of Hong Kong', '2024-05-22T09:12:21+08:00']],
    ['2024-05-22T09:12:21 0800', ['the time as an offset without a colon', '2024-05-22T09:12:21+0800']],
    [' 1716340341 ', ['the time as ISO 8601 in UTC', '2024-05-22T01:12:21Z']],
    [' soon ', ['the time without white space', 'soon']],
    ['x+y', ['the time with a space instead of "+"', 'x y']],
    ['x y', ['the time with "+" instead of a space', 'x+y']],
    ['x%20y', ['the time without URL encoding', 'x y']],
    ['Wed, 22 May 2024 01:12:21 GMT', ['the time as seconds since the epoch', '1716340341']],
  ])('what may have been %j', (time, expected) => expect(tried(time)).toContainEqual(expected))

  test('the headers that may have a time, but not the time header itself', () => {
    const headers = { 'request-time': 'now', date: 'D', 'x-timestamp': 'TS', 'x-time': 'T', nonce: 'N', host: 'H' }
    expect(tried('now', headers)).toEqual([
      ['the value of the header date', 'D'],
      ['the value of the header x-timestamp', 'TS'],
      ['the value of the header x-time', 'T'],
      ['the value of the header nonce', 'N'],
      ['no time', ''],
    ])
    expect(tried('now', { 'request-time': 'other' })).toEqual([['no time', '']])
    expect(tried('now', { 'request-time': 'R' }, 'Response-Time')).toContainEqual([
      'the value of the header request-time',
      'R',
    ])
  })

  test.each(['now', '%zz', '17163403411200', '+010000-01-01T00:00:00Z', '-271821-04-20T00:00:00Z'])(
    'no form and no second around %s, which is not a time of this protocol',
    (time) => expect(tried(time).filter(([what]) => /^the time as|^a time that/.test(what ?? ''))).toEqual([]),
  )

  test('no second around a time with white space, whose form is unclear', () => {
    expect(tried(' 2024-05-22T09:12:21Z').filter(([what]) => what?.startsWith('a time that'))).toEqual([])
  })

  test.each(['now', '%zz', '1716340341120', '2024-05-22T09:12:21+08:00'])('only texts that differ from %s', (time) => {
    const changes = timeChanges(time, 'Request-Time', new Map([['date', time]]))
    expect(tried(time, { date: time })).toHaveLength(changes.length)
    expect(tried(time, { date: time }).map(([, text]) => text)).not.toContain('undefined')
    expect(new Set(changes.map(({ part }) => part))).toEqual(new Set(['time']))
  })

  test('each text once, with the first explanation', () => {
    const texts = tried('2024-05-22T09:12:21+08:00', { date: '2024-05-22T01:12:21Z' })
    expect(texts[0]).toEqual(['the value of the header date', '2024-05-22T01:12:21Z'])
    expect(new Set(texts.map(([, text]) => text)).size).toBe(texts.length)
  })
})
