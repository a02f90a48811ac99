import { readFileSync, writeFileSync } from 'node:fs'
import type { Figure } from './measure.ts'

/** The ratios of the last release, by table, figure and unit. */
type Baseline = Record<string, number>

/** Beside the source: what runs is a bundle in .cache/benchmarks/. */
const file = 'benchmarks/baseline.json'

const keyOf = (table: string, { what, unit }: Figure) => `${table}: ${what}, ${unit}`

/** Keeps ratios for {@link fallen}; those of tables that were not run stay. */
export function save(report: Readonly<Record<string, readonly Figure[]>>): void {
  const entries = Object.entries(report).flatMap(([table, figures]) =>
    figures.map((figure) => [keyOf(table, figure), Number(figure.ratio.toPrecision(3))]),
  )
  const all: Baseline = { ...read(), ...Object.fromEntries(entries) }
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(Object.entries(all).sort()), undefined, 2)}\n`)
}

/** What has become worse by more than a quarter. Not a p99: of a few rounds it says nothing. */
export function fallen(table: string, figures: readonly Figure[]): string[] {
  const baseline = read()
  return figures.flatMap((figure) => {
    const before = baseline[keyOf(table, figure)]
    if (figure.bar === undefined || figure.unit.endsWith('p99')) return []
    // A check that finds nothing to compare with must not pass for one that found nothing wrong.
    if (before === undefined) return [`${keyOf(table, figure)}: no ratio is kept`]
    const worse = figure.bar.least === undefined ? figure.ratio / before : before / figure.ratio
    return worse <= 4 / 3 ? [] : [`${keyOf(table, figure)}: ${before}, now ${figure.ratio.toPrecision(3)}`]
  })
}

function read(): Baseline {
  return JSON.parse(readFileSync(file, 'utf8')) as Baseline
}
