import { expect, test } from 'vitest'
import { documents, read } from '../support/project.ts'

/** The tables of a document, as the number of cells of each row. `\|` is text. Code blocks are left out. */
function tablesOf(markdown: string): number[][] {
  const text = markdown.replaceAll(/^( *)(`{3,})[\s\S]*?^\1\2$/gm, '')
  return [...text.matchAll(/^\|.*(?:\n(?!\n|$).*)*/gm)].map(([table]) =>
    table.split('\n').map((row) => (/^\|.*\|$/.test(row) ? row.replaceAll('\\|', '').split('|').length - 2 : 0)),
  )
}

const wrongTables = (markdown: string) =>
  tablesOf(markdown).filter((cells) => new Set(cells).size > 1 || cells[0] === 0)

test.each(documents)('each row of a table in %s has the same number of cells', (path) => {
  expect(wrongTables(read(path))).toEqual([])
})

test('finds a row with another number of cells, and a line that interrupts a table', () => {
  expect(wrongTables('| a | b |\n|---|---|\n| `c\\|d` | e |\n\ntext\n')).toEqual([])
  expect(wrongTables('| a | b |\n|---|---|\n| c |\n')).toEqual([[2, 2, 1]])
  expect(wrongTables('| a | b |\n|---|---|\n| c | [d]\n>> e](f) |\n')).toEqual([[2, 2, 0, 0]])
})
