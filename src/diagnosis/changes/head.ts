import { printable } from '../../errors.ts'
import { type Change, headChange } from '../change.ts'

/** Client ids that the sender may have signed instead of the configured one. */
export function clientIdChanges(clientId: string, headers: ReadonlyMap<string, string>): Change[] {
  const sent = headers.get('client-id')
  const named = [...headers].filter(([name]) => /client|partner|merchant|agent|app-?id/.test(name))
  const candidates: (readonly [value: string | undefined, what: string, cost: number])[] = [
    [sent, 'the value of the Client-Id header', 1],
    [clientId.trim(), 'the Client-Id without white space', 1],
    [sent?.trim(), 'the value of the Client-Id header without white space', 1],
    ...named.map(([name, value]) => [value, `the value of the header ${printable(name, 40)}`, 2] as const),
    ['', 'no Client-Id', 2],
    [clientId.toLowerCase(), 'the Client-Id in lower case', 2],
    [clientId.toUpperCase(), 'the Client-Id in upper case', 2],
    [`"${clientId}"`, 'the Client-Id in quotes', 3],
    [` ${clientId}`, 'the Client-Id after a space', 3],
    ['undefined', 'the text "undefined" as Client-Id', 3],
    ['null', 'the text "null" as Client-Id', 3],
  ]
  return candidates.flatMap(([value, what, cost]) => {
    if (value === undefined || value === clientId) return []
    const fix = `The sender signed ${what}, but your credentials have another "clientId". Both sides must use the id that AlipayHK assigned, in the Client-Id header and in the signed text.`
    return [headChange('clientId', value, { code: 'client-id', cost, fix })]
  })
}

/** Methods that the sender may have signed. The protocol signs `POST`. */
export function methodChanges(method: string): Change[] {
  const candidates = ['POST', 'GET', 'PUT', 'PATCH', 'HEAD', 'OPTIONS', 'HTTP', '']
  const changes = candidates
    .filter((candidate) => candidate !== method.toUpperCase())
    .map((candidate) =>
      headChange('method', candidate, { code: 'method', cost: 2, fix: explainMethod(candidate, method) }),
    )
  // signedContent() writes the method in upper case, so these need a separate layout.
  const lower: readonly string[] = [...new Set([method.toLowerCase(), 'post', 'Post'])]
  const inOtherCase = lower.map(
    (candidate): Change => ({
      code: 'method',
      part: 'layout',
      cost: 2,
      fix: explainMethod(candidate, method),
      apply: (parts) => ({
        ...parts,
        layout: ({ path, clientId, time, body }) =>
          Buffer.concat([Buffer.from(`${candidate} ${path}\n${clientId}.${time}.`), body]),
      }),
    }),
  )
  return [...changes, ...inOtherCase]
}

function explainMethod(signed: string, received: string): string {
  const what = signed === '' ? 'no method' : `the method ${signed}`
  return `The sender signed ${what}, but the request has the method ${printable(received, 20)}. Sign the method of the request, in upper case: POST.`
}

/** Wrong ways in which a sender may join the parts. */
const LAYOUTS: readonly (readonly [
  what: string,
  join: (m: string, p: string, c: string, t: string) => string | undefined,
  cost: number,
])[] = [
  ['with CRLF between the two lines', (m, p, c, t) => `${m} ${p}\r\n${c}.${t}.`, 2],
  ['with the two characters \\n between the two lines', (m, p, c, t) => `${m} ${p}\\n${c}.${t}.`, 2],
  ['without a line break between the two lines', (m, p, c, t) => `${m} ${p}${c}.${t}.`, 3],
  ['with a space between the two lines', (m, p, c, t) => `${m} ${p} ${c}.${t}.`, 3],
  ['with two line breaks between the two lines', (m, p, c, t) => `${m} ${p}\n\n${c}.${t}.`, 3],
  ['with a line break between method and path', (m, p, c, t) => `${m}\n${p}\n${c}.${t}.`, 3],
  ['with a line break between all parts', (m, p, c, t) => `${m}\n${p}\n${c}\n${t}\n`, 3],
  ['without the space between method and path', (m, p, c, t) => `${m}${p}\n${c}.${t}.`, 3],
  ['without the first line', (_, __, c, t) => `${c}.${t}.`, 2],
  ['without the method', (_, p, c, t) => `${p}\n${c}.${t}.`, 3],
  ['without the last full stop', (m, p, c, t) => `${m} ${p}\n${c}.${t}`, 3],
  ['without the full stops', (m, p, c, t) => `${m} ${p}\n${c}${t}`, 3],
  ['with line breaks instead of the full stops', (m, p, c, t) => `${m} ${p}\n${c}\n${t}\n`, 3],
  ['with spaces after the full stops', (m, p, c, t) => `${m} ${p}\n${c}. ${t}. `, 4],
  ['with the time before the Client-Id', (m, p, c, t) => `${m} ${p}\n${t}.${c}.`, 3],
  ['without the Client-Id', (m, p, _, t) => `${m} ${p}\n${t}.`, 3],
  ['without the time', (m, p, c) => `${m} ${p}\n${c}.`, 3],
  ['as the body alone', () => '', 2],
]

/** Wrong layouts of the signed content. */
export function layoutChanges(): Change[] {
  return LAYOUTS.map(([what, join, cost]) => ({
    code: 'signed-content',
    part: 'layout',
    cost,
    fix: `The sender put the signed text together ${what}. Sign exactly: method, space, path, one line feed, Client-Id, full stop, time, full stop, body.`,
    apply: (parts) => ({
      ...parts,
      layout: ({ method, path, clientId, time, body }) =>
        Buffer.concat([Buffer.from(join(method.toUpperCase(), path, clientId, time) ?? ''), body]),
    }),
  }))
}
