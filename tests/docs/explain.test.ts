import { expect, test } from 'vitest'
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

test('docs/explain.md lists the options of the command, besides those of the identity', () => {
  const rows = tableRows('option', linesUnder('What to capture', page))
  const listed = rows.flatMap((row) => [...(row['option'] ?? '').matchAll(/--[\w-]+/g)].map(([option]) => option))
  const help = read('src/cli/explain.ts')
  expect(listed.length).toBeGreaterThan(8)
  for (const option of listed) expect(help + read('src/cli/identity.ts')).toContain(option)
  const ownOptions = [...help.matchAll(/^ {2}(--[\w-]+) /gm)].map(([, option]) => option)
  expect(ownOptions.filter((option = '') => !listed.includes(option))).toEqual([])
})
