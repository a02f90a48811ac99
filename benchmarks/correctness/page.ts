import { cpus, type as system } from 'node:os'
import { CATEGORIES, type Category } from './cases.ts'
import type { Row } from './run.ts'
import { NAMES, type Name, type Outcome } from './subjects/subject.ts'

const START = '<!-- results of `npm run correctness` -->'
const END = '<!-- end of the results -->'

/** The page with these results in place of the earlier ones. */
export function withResults(page: string, results: string): string {
  const [start, end] = [page.indexOf(START), page.indexOf(END)]
  if (start < 0 || end < start) throw new Error('docs/comparison.md has no place for the results')
  return `${page.slice(0, start + START.length)}\n\n${results}\n\n${page.slice(end)}`
}

/** All results, as Markdown. */
export function formatResults(rows: readonly Row[], versionOf: (name: Name) => string): string {
  return [
    formatRun(versionOf),
    '## In numbers',
    'These counts are no ranking. The cases are about what this library has to do, and most `n/a` are jobs that the other library does not have.',
    formatCounts(rows),
    ...CATEGORIES.flatMap(({ name }) => [
      `## ${name}`,
      formatCategory(rows.filter(({ category }) => category.name === name)),
    ]),
    '## Where this library loses',
    formatLosses(rows),
  ].join('\n\n')
}

function formatRun(versionOf: (name: Name) => string): string {
  const date = new Date().toISOString().slice(0, 10)
  const peers = NAMES.slice(1).map((name) => `| \`${name}\` | ${versionOf(name)} |`)
  return [
    `Run on ${date} with Node ${process.versions.node} on ${system()}, ${cpus().length} cores of ${cpus()[0]?.model ?? 'an unknown processor'}.`,
    ['| library | version |', '|---|---|', ...peers].join('\n'),
  ].join('\n\n')
}

const VERDICTS = ['safe', 'silent', 'protocol', 'unsafe', 'n/a'] as const

function formatCounts(rows: readonly Row[]): string {
  const line = (name: Name) => {
    const count = (verdict: Outcome['verdict']) =>
      rows.filter(({ outcomes }) => outcomes.get(name)?.verdict === verdict).length
    return `| ${name} | ${VERDICTS.map(count).join(' | ')} |`
  }
  return [
    `| of ${rows.length} cases | ${VERDICTS.join(' | ')} |`,
    '|---|---|---|---|---|---|',
    ...NAMES.map(line),
  ].join('\n')
}

/** A table with the libraries to which the category applies. The notes are below it. */
function formatCategory(rows: readonly Row[]): string {
  const absent: Category['absent'] = rows[0]?.category.absent ?? {}
  const names = NAMES.filter((name) => absent[name] === undefined)
  const notes: string[] = []
  const mark = (note: string) => {
    if (!notes.includes(note)) notes.push(note)
    return notes.indexOf(note) + 1
  }
  const cell = (outcome: Outcome | undefined) => {
    if (outcome === undefined) return ''
    const verdict = outcome.verdict === 'unsafe' ? '**unsafe**' : outcome.verdict
    return outcome.note === undefined ? verdict : `${verdict} <sup>${mark(outcome.note)}</sup>`
  }
  const lines = rows.map(
    ({ case: { name, why }, outcomes }) =>
      `| **${name}.** ${why} | ${names.map((library) => cell(outcomes.get(library))).join(' | ')} |`,
  )
  const without = [...new Set(Object.values(absent))].map((reason) => {
    const libraries = NAMES.filter((name) => absent[name] === reason).map((name) => `\`${name}\``)
    return `${libraries.join(', ')} (${reason})`
  })
  return [
    [`| case | ${names.join(' | ')} |`, `|---|${names.map(() => '---|').join('')}`, ...lines].join('\n'),
    notes.map((note, index) => `${index + 1}. ${note}`).join('\n'),
    ...(without.length > 0 ? [`n/a in this category: ${without.join('; ')}.`] : []),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function formatLosses(rows: readonly Row[]): string {
  const lines = rows
    .filter(({ case: { loss } }) => loss !== undefined)
    .map(({ case: { name, loss }, outcomes }) => {
      const better = NAMES.filter((library) => outcomes.get(library)?.verdict === 'safe')
      return `| ${name} | ${loss} | ${better.join(', ') || 'none of those that were run'} |`
    })
  return ['| case | why, and what to do | who passes it |', '|---|---|---|', ...lines].join('\n')
}
