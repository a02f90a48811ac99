import { expect, test } from 'vitest'
import { read } from '../support/project.ts'

const page = read('docs/assurance.md')
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
const SECTIONS = [
  'Machines',
  'Threat model',
  'Mutation testing',
  'Fuzzing',
  'Timing',
  'Outbox',
  'Comparison',
  'KMS and HSM',
  'Soak',
  'Supply chain',
  'Coverage',
]

/** The scripts of package.json that a text runs: `npm test` and `npm run NAME`. */
const scriptsIn = (text: string) => [...text.matchAll(/npm (?:run )?(test|(?<=run )[\w:-]+)/g)].map(([, name]) => name)

test('docs/assurance.md has a section for each kind of check', () => {
  expect(page.match(/(?<=^## ).*/gm)).toEqual(SECTIONS)
})

test('docs/assurance.md names only commands that package.json has', () => {
  const missing = scriptsIn(page).filter((name) => name === undefined || !(name in scripts))
  expect(missing).toEqual([])
})

test('finds a command that package.json does not have', () => {
  expect(scriptsIn('`npm run nothing -- --minutes 1`, `npm test`, `npm install`')).toEqual(['nothing', 'test'])
  expect(scripts).not.toHaveProperty('nothing')
})

test('a result in docs/assurance.md has a date, and a machine that the page describes', () => {
  const machines = [...page.matchAll(/^\| ([A-Z]) \|/gm)].map(([, name]) => name)
  const rows = page.match(/^\| `.*\|$/gm) ?? []
  expect(rows.length).toBeGreaterThan(0)
  for (const row of rows) {
    const [, , date, machine] = row.split(/(?<!\\)\|/).map((cell) => cell.trim())
    expect(date, row).toMatch(/^20\d\d-\d\d-\d\d$/)
    expect(machines, row).toContain(machine)
  }
})
