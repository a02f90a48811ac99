import { expect, test } from 'vitest'
import { explain } from '../../src/cli/explain.ts'
import { parse, unionMembers } from '../support/declarations.ts'
import { codeSpans, linesUnder, tableRows } from '../support/markdown.ts'
import { read } from '../support/project.ts'

const page = read('docs/explain.md')

test('docs/explain.md lists the causes in the order of the code, and no others', () => {
  const rows = tableRows('code', linesUnder('The causes', page))
  expect(rows.flatMap((row) => codeSpans(row['code']))).toEqual(
    unionMembers(parse('src/diagnosis/change.ts'), 'CauseCode'),
  )
})

test('docs/explain.md lists the options of the command', () => {
  const rows = tableRows('option', linesUnder('What to capture', page))
  const listed = rows.flatMap((row) => [...(row['option'] ?? '').matchAll(/--[\w-]+/g)].map(([option]) => option))
  const known = Object.keys(explain.options)
  expect(listed.filter((option) => !known.includes(option.slice(2)))).toEqual([])
  const named = ['client-id', 'private-key', 'peer-public-key']
  expect(known.filter((name) => ![...listed, ...named.map((name) => `--${name}`)].includes(`--${name}`))).toEqual([])
})
