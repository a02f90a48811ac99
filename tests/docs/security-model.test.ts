import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { read, root } from '../support/project.ts'

const page = read('docs/security-model.md')
const [, promises = ''] = /^## Promises$(.*?)^## /ms.exec(page) ?? []

/** The rows of the tables of promises, without their heads. */
const rows = promises.match(/^\| (?!promise \||-).*\|$/gm) ?? []

/** The tests that a row names, as `file`: "title". */
const testsIn = (row: string) =>
  [...row.matchAll(/`([\w./-]+\.ts)`: "((?:[^"\\]|\\.)*)"/g)].map(
    ([, file = '', title = '']) => [file, title.replaceAll('\\"', '"')] as const,
  )

/** Whether a file has a test, a group of tests or a store case with exactly this title. */
function hasTest(file: string, title: string): boolean {
  if (!existsSync(root + file)) return false
  const source = read(file)
  return ["'", '"', '`'].some((quote) =>
    ['(', '(\n', 'name: '].some((before) =>
      source.replaceAll(/\n\s+/g, '\n').includes(`${before}${quote}${title}${quote},`),
    ),
  )
}

const named = [...new Map(rows.flatMap(testsIn).map((each) => [each.join(), each])).values()]

test('docs/security-model.md has promises', () => {
  expect(rows.length).toBeGreaterThan(25)
})

test.each(rows)('the promise names a test: %s', (row) => {
  expect(testsIn(row)).not.toEqual([])
})

test.each(named)('%s has the test "%s"', (file, title) => {
  expect(hasTest(file, title)).toBe(true)
})

test('finds a file or a title that does not exist', () => {
  const [file = '', title = ''] = named[0] ?? []
  expect(hasTest(file, title)).toBe(true)
  expect(hasTest(file, title.slice(1))).toBe(false)
  expect(hasTest('tests/nothing.test.ts', title)).toBe(false)
})
