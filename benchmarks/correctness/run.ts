import { CATEGORIES, type Case, type Category } from './cases.ts'
import { within } from './outcome.ts'
import type { Name, Outcome, Subject } from './subjects/subject.ts'

/** Milliseconds that one case may take with one library. */
const LIMIT = 60_000

/** The outcomes of one case, by library. */
export interface Row {
  readonly category: Category
  readonly case: Case
  readonly outcomes: ReadonlyMap<Name, Outcome>
}

/** Runs every case against every library, one after the other: some move the clock of the process. */
export async function runCases(subjects: readonly Subject[], onRow: (row: Row) => void = () => {}): Promise<Row[]> {
  const rows: Row[] = []
  for (const category of CATEGORIES) {
    for (const one of category.cases) {
      const outcomes = new Map<Name, Outcome>()
      for (const subject of subjects) outcomes.set(subject.name, await runCase(category, one, subject))
      const row = { category, case: one, outcomes }
      rows.push(row)
      onRow(row)
    }
  }
  return rows
}

/** One case with one library. */
export async function runCase(category: Category, one: Case, subject: Subject): Promise<Outcome> {
  const absent = category.absent[subject.name]
  if (absent !== undefined) return { verdict: 'n/a', note: absent }
  const outcome = await within(LIMIT, Promise.resolve(one.run(subject)))
  if (outcome === 'timed out') throw new Error(`"${one.name}" does not end with ${subject.name}`)
  const note = one.notes?.[subject.name]
  if (outcome !== undefined) {
    const notes = [outcome.note, note].filter((text) => text !== undefined)
    return { verdict: outcome.verdict, ...(notes.length > 0 && { note: notes.join('; ') }) }
  }
  if (note === undefined) throw new Error(`"${one.name}" needs a reason why ${subject.name} has no outcome`)
  return { verdict: 'n/a', note }
}
