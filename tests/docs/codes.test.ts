import { describe, expect, test } from 'vitest'
import { PROTOCOL_ERRORS } from '../../src/errors.ts'
import { RESULT_CODES } from '../../src/result-codes.ts'
import { parse, unionMembers } from '../support/declarations.ts'
import { ALL_ERROR_CODES, ERROR_CODES } from '../support/error-codes.ts'
import { codeSpans, linesUnder, tableRows } from '../support/markdown.ts'
import { documents, files, read } from '../support/project.ts'

const results = linesUnder('6. Results', read('docs/protocol.md'))

/** Where a page has the table of each class, and what the columns are called. */
const PAGES = [
  {
    path: 'docs/errors.md',
    columns: ['code', 'meaning', 'what the library did', 'who must act', 'what to do'],
    warnings: 'Process warnings',
    results: 'Result codes',
  },
  {
    path: 'docs/zh-HK/errors.md',
    columns: ['code', '意思', '套件做了甚麼', '由誰處理', '怎樣做'],
    warnings: 'Process warning',
    results: 'Result code',
  },
]

const classOfHeading: Readonly<Record<string, keyof typeof ERROR_CODES>> = {
  'Keys and credentials': 'ConfigurationError',
  'Mounting, onOrder and database': 'ConfigurationError',
  密鑰和憑證: 'ConfigurationError',
  '掛載、onOrder 和資料庫': 'ConfigurationError',
}

/** The codes of warnings that belong to no error. */
const WARNING_CODES = [
  ...new Set(
    files('src', /\.ts$/).flatMap((path) =>
      [...read(path).matchAll(/(?:type: 'OrderSyncWarning',\s+code: |warn\(\s*)'(\w+)'/g)].map(([, code = '']) => code),
    ),
  ),
].sort()

describe.each(PAGES)('$path', ({ path, columns, warnings, results: resultsHeading }) => {
  const page = read(path)
  const headings = [...page.matchAll(/^#{2,3} (.*)$/gm)].map(([, heading = '']) => heading)
  /** The rows of all tables of codes, each with its heading. */
  const rows = headings.flatMap((heading) => {
    const lines = linesUnder(heading, page)
    if (!lines.some((line) => line.startsWith('| code |'))) return []
    return tableRows('code', lines).map((row) => ({ heading, row, code: codeSpans(row['code']).join() }))
  })

  test.each(Object.entries(ERROR_CODES))('has one row for each code of %s, and no others', (name, codes) => {
    const own = rows.filter(({ heading }) => (classOfHeading[heading] ?? heading) === name)
    expect(own.map(({ code }) => code).sort()).toEqual([...codes].sort())
  })

  test('has one row for each code of a process warning, and no others', () => {
    const own = rows.filter(({ heading }) => heading === warnings)
    expect(own.map(({ code }) => code).sort()).toEqual(WARNING_CODES)
  })

  test('says of each code what it means, what the library did, who must act and what to do', () => {
    expect(rows).toHaveLength(ALL_ERROR_CODES.length + WARNING_CODES.length)
    for (const { row, code } of rows) {
      expect(Object.keys(row)).toEqual(columns)
      for (const column of columns) expect(row[column], `${code}: ${column}`).toMatch(/\S/)
    }
  })

  test('has the HTTP status and the result code of each ProtocolError', () => {
    const [, , did = ''] = columns
    const documented = rows
      .filter(({ heading }) => heading === 'ProtocolError')
      .map(({ row, code }) => {
        const [, status, resultCode] = /(\d{3}) `([A-Z_]+)`/.exec(row[did] ?? '') ?? []
        return [code, { status: Number(status), resultCode }]
      })
    expect(Object.fromEntries(documented)).toEqual(PROTOCOL_ERRORS)
  })

  test('has one row for each result code, with its status and no empty cell', () => {
    const documented = tableRows('result code', linesUnder(resultsHeading, page))
    for (const row of documented) {
      expect(Object.keys(row)).toHaveLength(columns.length + 1)
      for (const cell of Object.values(row)) expect(cell).toMatch(/\S/)
    }
    const pairs = documented.map((row) =>
      Object.values(row)
        .slice(0, 2)
        .map((cell) => codeSpans(cell).join()),
    )
    expect(pairs.sort()).toEqual(
      Object.entries(RESULT_CODES)
        .map(([code, { status }]) => [code, status])
        .sort(),
    )
  })

  test('lists every error class, and no other', () => {
    const listed = tableRows('class', page.split('\n')).flatMap((row) => codeSpans(row['class']))
    expect(listed.sort()).toEqual(Object.keys(ERROR_CODES).sort())
  })
})

test.each(documents)('%s names no code that does not exist', (path) => {
  const named = read(path).match(/\bERR_[A-Z_]*[A-Z]\b/g) ?? []
  expect(named.filter((code) => ![...ALL_ERROR_CODES, ...WARNING_CODES].includes(code))).toEqual([])
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
