/**
 * Runs the benchmarks: `npm run bench` all of them, `npm run bench -- server client` the named ones.
 *
 * `scale` needs PostgreSQL (POSTGRES_URL). `peers` needs the package registry the first time. The column "theirs" is the
 * alternative that a benchmark compares with, see its file. In `start`, the ratio is a difference.
 *
 * --json   print JSON: npm run --silent bench -- --json
 * --bars   run only what has a bar in `server`, which takes half the time
 * --short  run a few rounds of what --check needs: enough to see a large regression, not its exact size
 * --check  fail when a ratio with a bar is worse than the stored one by more than a quarter; with --short, as in CI
 * --save   store the ratios (baseline.json) and the sizes (sizes.json), for a release
 */
import { parseArgs } from 'node:util'
import { findRegressions, saveBaseline } from './baseline.ts'
import { client } from './client.ts'
import { console as consoleBenchmark } from './console.ts'
import { fairness } from './fairness.ts'
import { type Figure, meetsBar } from './measure.ts'
import { message } from './message.ts'
import { outbox } from './outbox.ts'
import { peers } from './peers.ts'
import { primitives } from './primitives.ts'
import { scale } from './scale.ts'
import { server } from './server.ts'
import { saveSizes, size } from './size.ts'
import { start } from './start.ts'

type Benchmark = (rounds: number, barsOnly: boolean) => Promise<Figure[]>

const BENCHMARKS: ReadonlyMap<string, Benchmark> = new Map<string, Benchmark>([
  ...Object.entries({ primitives, message, server, fairness, client, peers, start }),
  // It has no ratios, and prints a table of its own.
  ['size', async () => []],
  ['scale', scale],
  ['outbox', outbox],
  ['console', consoleBenchmark],
])

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    bars: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  },
})

const selected = (positionals.length > 0 ? positionals : [...BENCHMARKS.keys()]).map((name) => {
  const benchmark = BENCHMARKS.get(name)
  if (benchmark === undefined) {
    throw new Error(`Unknown benchmark "${name}". Use one of ${[...BENCHMARKS.keys()].join(', ')}.`)
  }
  return { name, benchmark }
})
const includesSize = selected.some(({ name }) => name === 'size')

const report: Record<string, Figure[]> = {}
const regressions: string[] = []
for (const { name, benchmark } of selected) {
  const rounds = values.short ? 3 : 9
  const barsOnly = values.bars || values.short
  let figures = await benchmark(rounds, barsOnly)
  // A regression is measured twice, because other programs on the machine may have caused it.
  if (values.check && findRegressions(name, figures).length > 0) {
    figures = await benchmark(values.short ? 4 : rounds, barsOnly)
  }
  if (values.check) regressions.push(...findRegressions(name, figures))
  report[name] = figures
  if (values.json) {
    // The JSON is complete only at the end, up to half an hour later.
    console.error(`${name}: ${summarize(figures)}`)
    for (const figure of figures.filter((one) => !meetsBar(one))) console.error(`  ${describeMiss(figure)}`)
  } else if (name === 'size') {
    await printSizes()
  } else {
    printFigures(name, figures)
  }
}

if (values.save) saveBaseline(report)
if (values.save && includesSize) await saveSizes()
if (values.json) console.log(JSON.stringify(await toJson(), undefined, 2))
else console.log(`\n${summarize(Object.values(report).flat())}`)
if (regressions.length > 0) {
  console.error(`Worse than benchmarks/baseline.json by more than a quarter:\n${regressions.join('\n')}`)
  process.exit(1)
}
process.exit()

async function toJson(): Promise<object> {
  const judged = Object.entries(report).map(
    ([name, figures]) => [name, figures.map((figure) => ({ ...figure, holds: meetsBar(figure) }))] as const,
  )
  return { ...Object.fromEntries(judged), ...(includesSize && { size: await size() }) }
}

function printFigures(name: string, figures: readonly Figure[]): void {
  console.log(`\n${name}`)
  console.table(
    figures.map((figure) => ({
      what: figure.what,
      unit: figure.unit,
      ours: round(figure.ours),
      theirs: round(figure.theirs),
      ratio: round(figure.ratio),
      'theirs : itself': figure.null === undefined ? '' : round(figure.null),
      bar: formatBar(figure),
      verdict: verdictOf(figure),
    })),
  )
}

async function printSizes(): Promise<void> {
  const { since, rows } = await size()
  console.log(`\nsize: bytes of each part, bundled with its dependencies; the change since ${since}`)
  console.table(rows)
}

function formatBar({ bar }: Figure): string {
  return [bar?.least !== undefined && `≥ ${bar.least}`, bar?.most !== undefined && `≤ ${bar.most}`]
    .filter(Boolean)
    .join()
}

function verdictOf(figure: Figure): string {
  const noise = figure.noisy ? 'noise' : ''
  return figure.bar === undefined ? noise : `${meetsBar(figure) ? 'holds' : 'MISSED'} ${noise}`.trim()
}

function summarize(figures: readonly Figure[]): string {
  const barred = figures.filter(({ bar }) => bar !== undefined)
  return `${barred.filter(meetsBar).length} of ${barred.length} bars hold`
}

function describeMiss(figure: Figure): string {
  return `MISSED: ${figure.what}, ${figure.unit}: ${round(figure.ratio)}, ${formatBar(figure)}`
}

/** Rounds to three significant digits. */
function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}
