import { describe, expect, test } from 'vitest'
import { PROTOCOL_ERRORS } from '../../src/errors.ts'
import { RESULT_CODES } from '../../src/result-codes.ts'
import { parse, unionMembers } from '../support/declarations.ts'
import { ALL_ERROR_CODES, ERROR_CODES } from '../support/error-codes.ts'
import { codeSpans, linesUnder, tableRows } from '../support/markdown.ts'
import { documents, files, read } from '../support/project.ts'

const errorsPage = read('docs/errors.md')
const results = linesUnder('6. Results', read('docs/protocol.md'))

/** The codes in the first column of a table; a cell may list several. */
const codesIn = (heading: string, page = errorsPage) =>
  tableRows('code', linesUnder(heading, page)).flatMap((row) => codeSpans(row['code']))

describe('docs/errors.md', () => {
  test('lists every error class, and no other', () => {
    const rows = tableRows('class', linesUnder('Errors', errorsPage))
    expect(rows.flatMap((row) => codeSpans(row['class'])).sort()).toEqual(Object.keys(ERROR_CODES).sort())
  })

  test('lists the codes of ProtocolError with their HTTP status and result code, and no others', () => {
    const rows = tableRows('code', linesUnder('ProtocolError', errorsPage)).map((row) => [
      codeSpans(row['code']).join(),
      { status: Number(row['HTTP status']), resultCode: codeSpans(row['result code']).join() },
    ])
    expect(Object.fromEntries(rows)).toEqual(PROTOCOL_ERRORS)
    expect(rows).toHaveLength(Object.keys(PROTOCOL_ERRORS).length)
  })

  test.each(['ConfigurationError', 'HandlerError', 'DeliveryError', 'UntrustedResponseError'] as const)(
    'lists the codes of %s, and no others',
    (name) => {
      expect(codesIn(name).sort()).toEqual([...ERROR_CODES[name]].sort())
    },
  )

  test('lists the result codes with their status, and no others', () => {
    const rows = tableRows('result code', linesUnder('Result codes', errorsPage)).map((row) => [
      codeSpans(row['result code']).join(),
      codeSpans(row['status']).join(),
    ])
    const expected = Object.entries(RESULT_CODES).map(([code, { status }]) => [code, status])
    expect(rows.sort()).toEqual(expected.sort())
  })

  test('names the code of OrderRefusedError', () => {
    expect(linesUnder('OrderRefusedError', errorsPage).join('\n')).toContain('`ERR_REFUSED`')
  })
})

test('docs/keys.md lists the codes of a refused key, and no others', () => {
  const ofKeys = ERROR_CODES.ConfigurationError.filter((code) => code.startsWith('ERR_KEY_'))
  expect(codesIn('When a key is refused', read('docs/keys.md')).sort()).toEqual(ofKeys.sort())
})

/** The codes of warnings that belong to no error. */
const WARNING_CODES = files('src', /\.ts$/).flatMap((path) =>
  [...read(path).matchAll(/(?:type: 'OrderSyncWarning',\s+code: |warn\()'(\w+)'/g)].map(([, code]) => code),
)

test.each(documents)('%s names no code that does not exist', (path) => {
  const named = read(path).match(/\bERR_[A-Z_]*[A-Z]\b/g) ?? []
  expect(named.filter((code) => ![...ALL_ERROR_CODES, ...WARNING_CODES].includes(code))).toEqual([])
})

test('the documents name the codes of warnings', () => {
  expect([...new Set(WARNING_CODES)]).toEqual([
    'ERR_ON_EVENT',
    'ERR_OUTBOX_FAILED',
    'ERR_OUTBOX_STORE',
    'ERR_STORE_CONNECTION',
  ])
  expect(errorsPage).toContain('`ERR_ON_EVENT`')
  expect(read('docs/stores.md')).toContain('`ERR_STORE_CONNECTION`')
})

test('src/ uses every error code', () => {
  const sources = files('src', /^(?!src\/(?:errors|server\/event)\.ts).*\.ts$/).map((path) => read(path))
  const unused = ALL_ERROR_CODES.filter((code) => !sources.some((text) => text.includes(`'${code}'`)))
  // OrderRefusedError sets its own code, and event.ts only has types.
  expect(unused).toEqual(['ERR_REFUSED'])
})

describe('docs/protocol.md section 6', () => {
  const rows = tableRows('resultCode', results).flatMap((row) =>
    codeSpans(row['resultCode']).map((code) => ({
      code,
      status: row['status'],
      httpStatuses: (row['HTTP status'] ?? '').split(', ').map(Number),
    })),
  )
  const httpStatusesOf = (code: string) =>
    new Set(rows.filter((row) => row.code === code).flatMap(({ httpStatuses }) => httpStatuses))

  test('lists every result code, and no other', () => {
    expect([...new Set(rows.map(({ code }) => code))].sort()).toEqual(Object.keys(RESULT_CODES).sort())
  })

  test.each(Object.entries(RESULT_CODES))('lists %s with its status', (code, { status }) => {
    expect(rows.filter((row) => row.code === code).map((row) => row.status)).toEqual(
      rows.filter((row) => row.code === code).map(() => status),
    )
  })

  test.each(Object.keys(RESULT_CODES))(
    'lists %s with the HTTP status of each ProtocolError that leads to it',
    (code) => {
      const errors = Object.values(PROTOCOL_ERRORS).filter(({ resultCode }) => resultCode === code)
      const documented = httpStatusesOf(code)
      const statuses = errors.map(({ status }) => status)
      for (const status of statuses) expect(documented).toContain(status)
      // 200 and 500 also belong to requests that no ProtocolError rejects.
      for (const status of documented) if (status !== 200 && status !== 500) expect(statuses).toContain(status)
      if (errors.length === 0) expect(documented).toContain(200)
    },
  )

  test('lists every result status, and no other', () => {
    const statuses = tableRows('resultStatus', results).flatMap((row) => codeSpans(row['resultStatus']))
    expect(statuses.sort()).toEqual(unionMembers(parse('src/result-codes.ts'), 'ResultStatus').sort())
  })
})

describe('tables in Markdown', () => {
  const page =
    '# One\n\n| code | status |\n|---|---|\n| `A`, `B` | 1 |\n| `C` | 2 |\n\ntext\n\n## Two\n\n| code |\n|---|\n| `D` |\n'

  test('are read by the heading above them and by their first column', () => {
    const rows = tableRows('code', linesUnder('One', page))
    expect(rows).toEqual([
      { code: '`A`, `B`', status: '1' },
      { code: '`C`', status: '2' },
    ])
    expect(rows.map((row) => codeSpans(row['code']))).toEqual([['A', 'B'], ['C']])
    expect(tableRows('code', linesUnder('Two', page))).toEqual([{ code: '`D`' }])
  })

  test('fail the test when the heading or the table is missing', () => {
    expect(() => linesUnder('Three', page)).toThrow('there is no heading "Three"')
    expect(() => tableRows('class', linesUnder('One', page))).toThrow('there is no table')
  })
})
