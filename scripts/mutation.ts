/**
 * Mutation testing of one folder of src/, with the tests of that folder: `npm run mutation -- policy [--check] [--files GLOB]`.
 *
 * Stryker changes one expression after the other and runs the tests. A change that no test notices has "survived". Each
 * survivor is killed by a new test, or explained in tests/mutation/survivors.md. With --check, fails when one is neither, or when
 * the score is below {@link MIN_SCORE}.
 *
 * Two traps: a test file that cannot be loaded would count as "survived", so the tests run once before; and a slow run counts
 * as "timeout", which is a kill, so timeouts are counted and shown.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { install } from './install.ts'
import { run } from './run.ts'

/** The tests of a folder of src/. */
const TESTS: Readonly<Record<string, readonly string[]>> = {
  client: ['tests/client'],
  crypto: ['tests/crypto', 'tests/keys', 'tests/secure-message'],
  diagnosis: ['tests/diagnosis', 'tests/server/diagnose.test.ts'],
  messages: ['tests/messages', 'tests/server/rejections.test.ts', 'tests/client/order.test.ts'],
  outbox: ['tests/stores/outbox'],
  policy: ['tests/policy'],
  protocol: ['tests/protocol', 'tests/server/rejections.test.ts'],
  'secure-message': ['tests/secure-message', 'tests/server/rejections.test.ts'],
  server: ['tests/server'],
}

const MIN_SCORE = 90
const LIMIT_MS = 3_600_000
const SURVIVORS = 'tests/mutation/survivors.md'
const TOOL = '.cache/mutation'

interface Mutant {
  readonly mutatorName: string
  readonly replacement?: string
  readonly status: string
  readonly location: {
    readonly start: { readonly line: number; readonly column: number }
    readonly end: { readonly line: number; readonly column: number }
  }
}

interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>>
}

const { values, positionals } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    files: { type: 'string' },
    concurrency: { type: 'string', default: '2' },
  },
  allowPositionals: true,
})
const [folder = ''] = positionals
const tests = TESTS[folder]
if (tests === undefined) throw new Error(`Usage: npm run mutation -- FOLDER, one of ${Object.keys(TESTS).join(', ')}`)

mkdirSync(TOOL, { recursive: true })
install('tests/mutation', TOOL)
const globs = tests.map((path) => (path.endsWith('.ts') ? path : `${path}/**/*.test.ts`))
const env = { MUTATION_TESTS: globs.join(',') }
run('npx', ['vitest', 'run', '--config=tests/mutation/vitest.config.ts', '--reporter=default', '--silent'], '.', {
  env,
  timeoutMs: LIMIT_MS,
})

const config = `${TOOL}/${folder}.config.json`
const report = `${TOOL}/${folder}.report.json`
const settings = {
  testRunner: 'vitest',
  plugins: [resolve(TOOL, 'node_modules/@stryker-mutator/vitest-runner/dist/src/index.js')],
  vitest: { configFile: 'tests/mutation/vitest.config.ts', related: false },
  mutate: [values.files ?? `src/${folder}/**/*.ts`, '!src/**/*.generated.*'],
  ignorePatterns: ['.cache', 'dist', 'docs/api', 'examples', 'benchmarks'],
  tempDirName: `${TOOL}/sandbox`,
  coverageAnalysis: 'perTest',
  ignoreStatic: false,
  concurrency: Number(values.concurrency),
  incremental: true,
  incrementalFile: `${TOOL}/${folder}.incremental.json`,
  reporters: ['json', 'progress-append-only'],
  jsonReporter: { fileName: report },
  disableTypeChecks: false,
  allowEmpty: false,
}
writeFileSync(config, JSON.stringify(settings, undefined, 2))
run(process.execPath, [`${TOOL}/node_modules/@stryker-mutator/core/bin/stryker.js`, 'run', config], '.', {
  env,
  timeoutMs: LIMIT_MS,
})

const { files } = JSON.parse(readFileSync(report, 'utf8')) as Report
const mutants = Object.entries(files).flatMap(([path, { source, mutants: ofFile }]) =>
  ofFile.map((mutant) => ({ ...mutant, path, before: textAt(source, mutant.location) })),
)
const count = (...statuses: readonly string[]) => mutants.filter(({ status }) => statuses.includes(status)).length
const killed = count('Killed', 'Timeout')
const total = killed + count('Survived', 'NoCoverage')
const score = total === 0 ? 100 : (100 * killed) / total
const explained = readFileSync(SURVIVORS, 'utf8')
const survivors = mutants
  .filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
  .map(({ path, before, replacement = '', location }) => ({
    line: `${path}:${location.start.line}`,
    key: `${path}: \`${oneLine(before)}\` → \`${oneLine(replacement)}\``,
  }))
const open = survivors.filter(({ key }) => !explained.includes(key))
for (const { line, key } of survivors)
  console.log(`${explained.includes(key) ? 'explained' : 'SURVIVED '} ${line} ${key}`)
console.log(
  `${folder}: ${score.toFixed(1)} %, ${killed} of ${total} killed (${count('Timeout')} by timeout), ${open.length} of ${survivors.length} survivors not explained`,
)
if (values.check && (score < MIN_SCORE || open.length > 0)) process.exitCode = 1

function textAt(source: string, { start, end }: Mutant['location']): string {
  const lines = source.split('\n').slice(start.line - 1, end.line)
  const last = lines.length - 1
  return lines
    .map((line, index) => line.slice(index === 0 ? start.column - 1 : 0, index === last ? end.column - 1 : undefined))
    .join('\n')
}

/** A key of a survivor stays the same when lines move. */
function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').replaceAll('`', "'").trim()
  return line.length <= 80 ? line : `${line.slice(0, 77)}...`
}
