import { readFileSync, writeFileSync } from 'node:fs'
import type { Figure } from './measure.ts'

/** The stored ratios, by benchmark, title and unit. */
type Baseline = Record<string, number>

/** Relative to the project: the code that runs is a bundle in .cache/benchmarks/. */
const FILE = 'benchmarks/baseline.json'

const keyOf = (benchmark: string, { what, unit }: Figure) => `${benchmark}: ${what}, ${unit}`

/** Stores the ratios for {@link findRegressions}. The ratios of benchmarks that did not run stay. */
export function saveBaseline(report: Readonly<Record<string, readonly Figure[]>>): void {
  const entries = Object.entries(report).flatMap(([benchmark, figures]) =>
    figures.map((figure) => [keyOf(benchmark, figure), Number(figure.ratio.toPrecision(3))]),
  )
  const all: Baseline = { ...readBaseline(), ...Object.fromEntries(entries) }
  writeFileSync(FILE, `${JSON.stringify(Object.fromEntries(Object.entries(all).sort()), undefined, 2)}\n`)
}

/** Returns a line for each figure with a bar that is worse by more than a quarter. A p99 of a few rounds is ignored. */
export function findRegressions(benchmark: string, figures: readonly Figure[]): string[] {
  const baseline = readBaseline()
  return figures.flatMap((figure) => {
    const key = keyOf(benchmark, figure)
    const before = baseline[key]
    if (figure.bar === undefined || figure.unit.endsWith('p99')) return []
    // Without a stored ratio there is no comparison, and the check must not pass.
    if (before === undefined) return [`${key}: baseline.json has no ratio`]
    const worse = figure.bar.least === undefined ? figure.ratio / before : before / figure.ratio
    return worse <= 4 / 3 ? [] : [`${key}: ${before}, now ${figure.ratio.toPrecision(3)}`]
  })
}

function readBaseline(): Baseline {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Baseline
}
