import { describe, expect, test } from 'vitest'
import { clientIdChanges, layoutChanges, methodChanges } from '../../../src/diagnosis/changes/head.ts'
import { RECEIVED, signedInstead } from './signed-instead.ts'

const { clientId, time } = RECEIVED
const textOf = (content: Buffer) => content.toString()

describe('layoutChanges tries the signed text', () => {
  const LAYOUTS: readonly (readonly [what: string, signed: string])[] = [
    ['with CRLF between the two lines', `POST /p\r\n${clientId}.${time}.body`],
    ['with the two characters \\n between the two lines', `POST /p\\n${clientId}.${time}.body`],
    ['without a line break between the two lines', `POST /p${clientId}.${time}.body`],
    ['with a space between the two lines', `POST /p ${clientId}.${time}.body`],
    ['with two line breaks between the two lines', `POST /p\n\n${clientId}.${time}.body`],
    ['with a line break between method and path', `POST\n/p\n${clientId}.${time}.body`],
    ['with a line break between all parts', `POST\n/p\n${clientId}\n${time}\nbody`],
    ['without the space between method and path', `POST/p\n${clientId}.${time}.body`],
    ['without the first line', `${clientId}.${time}.body`],
    ['without the method', `/p\n${clientId}.${time}.body`],
    ['without the last full stop', `POST /p\n${clientId}.${time}body`],
    ['without the full stops', `POST /p\n${clientId}${time}body`],
    ['with line breaks instead of the full stops', `POST /p\n${clientId}\n${time}\nbody`],
    ['with spaces after the full stops', `POST /p\n${clientId}. ${time}. body`],
    ['with the time before the Client-Id', `POST /p\n${time}.${clientId}.body`],
    ['without the Client-Id', `POST /p\n${time}.body`],
    ['without the time', `POST /p\n${clientId}.body`],
    ['as the body alone', 'body'],
  ]
  const found = () => signedInstead(layoutChanges(), { method: 'post' })

  test.each(LAYOUTS)('%s', (what, signed) => {
    const fix = `The sender put the signed text together ${what}. Sign exactly: method, space, path, one line feed, Client-Id, full stop, time, full stop, body.`
    const [change, ...others] = found().filter((one) => one.fix === fix)
    expect(change).toEqual({ code: 'signed-content', fix, content: Buffer.from(signed) })
    expect(others).toEqual([])
  })

  test('and no other', () => {
    expect(found()).toHaveLength(LAYOUTS.length)
    expect(new Set(layoutChanges().map(({ part }) => part))).toEqual(new Set(['layout']))
  })
})

describe('clientIdChanges tries', () => {
  const headers = new Map([
    ['client-id', ' OTHER '],
    ['x-partner', 'P'],
    ['merchant', 'M'],
    ['agent-no', 'A'],
    ['x-app-id', 'APP'],
    ['appid', 'APP2'],
    ['host', 'H'],
  ])
  const tried = (sent: ReadonlyMap<string, string>, id = clientId) =>
    signedInstead(clientIdChanges(id, sent), { clientId: id }).map(({ code, fix, content }) => {
      expect(code).toBe('client-id')
      expect(fix).toMatch(
        /^The sender signed .*, but your credentials have another "clientId"\. Both sides must use the id that AlipayHK assigned, in the Client-Id header and in the signed text\.$/,
      )
      const what = /^The sender signed (.*), but your credentials/.exec(fix)?.[1]
      return [what, textOf(content).slice('POST /p\n'.length, -`.${time}.body`.length)]
    })
  const ALWAYS = [
    ['no Client-Id', ''],
    ['the Client-Id in lower case', 'cid-1'],
    ['the Client-Id in upper case', 'CID-1'],
    ['the Client-Id in quotes', '"Cid-1"'],
    ['the Client-Id after a space', ' Cid-1'],
    ['the text "undefined" as Client-Id', 'undefined'],
    ['the text "null" as Client-Id', 'null'],
  ]

  test('only ids that differ from the configured one', () => {
    const sent = new Map([['client-id', clientId]])
    expect(clientIdChanges(clientId, sent)).toHaveLength(tried(sent).length)
  })

  test('forms of the configured id', () => expect(tried(new Map([['host', 'H']]))).toEqual(ALWAYS))

  test('the id in the headers, and other headers that may have an id', () => {
    expect(tried(headers)).toEqual([
      ['the value of the Client-Id header', ' OTHER '],
      ['the value of the Client-Id header without white space', 'OTHER'],
      ['the value of the header client-id', ' OTHER '],
      ['the value of the header x-partner', 'P'],
      ['the value of the header merchant', 'M'],
      ['the value of the header agent-no', 'A'],
      ['the value of the header x-app-id', 'APP'],
      ['the value of the header appid', 'APP2'],
      ...ALWAYS,
    ])
  })

  test('the configured id without its white space', () => {
    expect(tried(new Map(), ' CID')).toContainEqual(['the Client-Id without white space', 'CID'])
  })
})

describe('methodChanges tries', () => {
  const tried = (method: string) =>
    signedInstead(methodChanges(method), { method }).map(({ code, fix, content }) => {
      expect(code).toBe('method')
      const signed = textOf(content).split(' ')[0] ?? ''
      const what = signed === '' ? 'no method' : `the method ${signed}`
      expect(fix).toBe(
        `The sender signed ${what}, but the request has the method ${method}. Sign the method of the request, in upper case: POST.`,
      )
      expect(textOf(content)).toBe(`${signed} /p\n${clientId}.${time}.body`)
      return signed
    })

  test.each([
    ['POST', ['GET', 'PUT', 'PATCH', 'HEAD', 'OPTIONS', 'HTTP', '', 'post', 'Post']],
    ['post', ['GET', 'PUT', 'PATCH', 'HEAD', 'OPTIONS', 'HTTP', '', 'post', 'Post']],
    ['PUT', ['POST', 'GET', 'PATCH', 'HEAD', 'OPTIONS', 'HTTP', '', 'put', 'post', 'Post']],
  ])('the methods of HTTP, for %s', (method, expected) => expect(tried(method)).toEqual(expected))

  test('and changes the layout for another case, because the method is signed in upper case', () => {
    const parts = methodChanges('POST').map(({ part }) => part)
    expect(parts).toEqual([...Array(7).fill('method'), 'layout', 'layout'])
  })
})
