/**
 * All benchmarks, or those that are named: `npm run bench`, `npm run bench -- server client`.
 *
 * Needs PostgreSQL for scale (POSTGRES_URL), and the registry for peers, the first time. "theirs" is
 * what each table compares with, see its file; for start, the ratio is the difference.
 *
 * --json   a report for programs: npm run --silent bench -- --json
 * --bars   in server only what has a bar, which takes half the time
 * --short  few rounds, in message and server of what --check asks for: to see that something has broken, not by how much
 * --check  fail where a ratio has fallen by more than a quarter since it was kept; for --short, as CI does it
 * --save   keep the ratios (baseline.json) and the sizes (sizes.json), for a release
 */
import { parseArgs } from 'node:util'
import { fallen, save } from './baseline.ts'
import { client } from './client.ts'
import { fairness } from './fairness.ts'
import { type Figure, holds } from './measure.ts'
import { message } from './message.ts'
import { peers } from './peers.ts'
import { primitives } from './primitives.ts'
import { scale } from './scale.ts'
import { server } from './server.ts'
import { saveSizes, size } from './size.ts'
import { start } from './start.ts'

type Table = (rounds: number, barsOnly: boolean) => Promise<Figure[]>

const TABLES: Readonly<Record<string, Table>> = {
  ...{ primitives, message, server, fairness, client, peers, start },
  // It has no ratios, and prints a table of its own.
  size: async () => [],
  scale,
}

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

const names = positionals.length > 0 ? positionals : Object.keys(TABLES)
const unknown = names.find((name) => TABLES[name] === undefined)
if (unknown !== undefined) throw new Error(`There is no benchmark "${unknown}", only ${Object.keys(TABLES).join(', ')}`)

const report: Record<string, Figure[]> = {}
const broken: string[] = []
for (const name of names) {
  const table = TABLES[name] as Table
  const rounds = values.short ? 3 : 9
  const barsOnly = values.bars || values.short
  let figures = await table(rounds, barsOnly)
  // Once more before anything is called broken: other programs run on this machine too.
  if (values.check && fallen(name, figures).length > 0) figures = await table(values.short ? 4 : rounds, barsOnly)
  if (values.check) broken.push(...fallen(name, figures))
  report[name] = figures
  if (values.json) {
    // The report comes at the end, up to half an hour later.
    console.error(`${name}: ${summary(figures)}`)
    for (const figure of figures.filter((one) => one.bar && !holds(one))) console.error(`  ${missed(figure)}`)
    continue
  }
  if (name === 'size') await printSizes()
  else print(name, figures)
}

if (values.save) save(report)
if (values.save && names.includes('size')) await saveSizes()
if (values.json) console.log(JSON.stringify(await toJson(report), undefined, 2))
else console.log(`\n${summary(Object.values(report).flat())}`)
if (broken.length > 0) {
  console.error(`Fallen by more than a quarter:\n${broken.join('\n')}`)
  process.exit(1)
}
process.exit()

async function toJson(report: Readonly<Record<string, Figure[]>>): Promise<object> {
  const judged = Object.entries(report).map(
    ([name, figures]) => [name, figures.map((figure) => ({ ...figure, holds: holds(figure) }))] as const,
  )
  return { ...Object.fromEntries(judged), ...(names.includes('size') && { size: await size() }) }
}

function print(name: string, figures: readonly Figure[]): void {
  console.log(`\n${name}`)
  console.table(
    figures.map((figure) => ({
      what: figure.what,
      unit: figure.unit,
      ours: rounded(figure.ours),
      theirs: rounded(figure.theirs),
      ratio: rounded(figure.ratio),
      'theirs : itself': figure.null === undefined ? '' : rounded(figure.null),
      bar: words(figure),
      verdict: verdict(figure),
    })),
  )
}

async function printSizes(): Promise<void> {
  const { since, rows } = await size()
  console.log(`\nsize: bytes, bundled with what it depends on; the change since ${since}`)
  console.table(rows)
}

function words({ bar }: Figure): string {
  return [bar?.least !== undefined && `≥ ${bar.least}`, bar?.most !== undefined && `≤ ${bar.most}`]
    .filter(Boolean)
    .join()
}

function verdict(figure: Figure): string {
  const noise = figure.noisy ? 'noise' : ''
  return figure.bar === undefined ? noise : `${holds(figure) ? 'holds' : 'MISSED'} ${noise}`.trim()
}

function summary(figures: readonly Figure[]): string {
  const barred = figures.filter(({ bar }) => bar !== undefined)
  return `${barred.filter(holds).length} of ${barred.length} bars hold`
}

function missed(figure: Figure): string {
  return `MISSED: ${figure.what}, ${figure.unit}: ${rounded(figure.ratio)}, ${words(figure)}`
}

/** Three digits that count. */
function rounded(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}
