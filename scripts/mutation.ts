/**
 * Mutation testing of one folder of src/ with its tests: `npm run mutation -- policy [--check] [--fast] [--files GLOB,GLOB…]
 * [--tests PATH,PATH…]`. With --fast, `--files` takes paths.
 *
 * Stryker changes one expression after the other and runs the tests. A change that no test detects survives: add a test that
 * detects it, or explain it in tests/mutation/survivors.md. With --check, the command fails if a survivor is not explained, or if
 * the score is below {@link MIN_SCORE}.
 *
 * Stryker can be wrong in two ways. It counts a change as survived if a test file cannot be loaded, so the tests run once before,
 * without changes. It counts a timeout as a kill, also on a busy machine, so timeouts are shown, and the next run repeats them. A
 * timeout "in an endless loop" is certain: the expression was executed a hundred times more often than without the change.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { install } from './install.ts'
import { type Mutant, type Report, testFast } from './mutation-fast.ts'
import { run } from './run.ts'

/** The tests of a folder of src/. */
const TESTS: Readonly<Record<string, readonly string[]>> = {
  client: ['tests/client'],
  crypto: ['tests/crypto', 'tests/keys', 'tests/secure-message'],
  diagnosis: ['tests/diagnosis/changes', 'tests/diagnosis', 'tests/server/diagnose.test.ts'],
  messages: ['tests/messages', 'tests/server/rejections.test.ts', 'tests/client/order.test.ts'],
  // Modules are loaded once, so the tests that replace `node:timers/promises` come first. Without tests/stores/outbox: it needs
  // databases, and is slow.
  outbox: ['tests/outbox/worker.test.ts', 'tests/outbox/finisher.test.ts', 'tests/outbox'],
  policy: ['tests/policy'],
  protocol: ['tests/protocol', 'tests/client/options.test.ts', 'tests/server/rejections.test.ts'],
  'secure-message': ['tests/secure-message', 'tests/telemetry/channels.test.ts', 'tests/server/rejections.test.ts'],
  // As above.
  server: [
    'tests/server/process-order.test.ts',
    'tests/server/own-side-failures.test.ts',
    'tests/server/observation.test.ts',
    'tests/server/body-gate.test.ts',
    'tests/server/options.test.ts',
    'tests/server/handler.test.ts',
    'tests/server',
  ],
}

/** Worker threads run the built file, which Stryker does not change: tests/package/decrypting.test.ts tests it. */
const BUILT_ONLY = ['src/crypto/unwrap-pool.ts', 'src/crypto/unwrap-worker.ts']

const MIN_SCORE = 90
const LIMIT_MS = 3_600_000
const SURVIVORS = 'tests/mutation/survivors.md'
const TOOL = '.cache/mutation'

const { values, positionals } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    files: { type: 'string' },
    tests: { type: 'string' },
    fast: { type: 'boolean', default: false },
    concurrency: { type: 'string', default: '2' },
  },
  allowPositionals: true,
})
const [folder = ''] = positionals
const tests = values.tests?.split(',') ?? TESTS[folder]
if (tests === undefined) throw new Error(`Usage: npm run mutation -- FOLDER, one of ${Object.keys(TESTS).join(', ')}`)

mkdirSync(TOOL, { recursive: true })
install('tests/mutation', TOOL)
const globs = tests.map((path) => (path.endsWith('.ts') ? path : `${path}/**/*.test.ts`))
const env = { MUTATION_TESTS: globs.join(',') }

const config = `${TOOL}/${folder}.config.json`
const report = `${TOOL}/${folder}.report.json`
const settings = {
  testRunner: 'vitest',
  plugins: [resolve(TOOL, 'node_modules/@stryker-mutator/vitest-runner/dist/src/index.js')],
  vitest: { configFile: 'tests/mutation/vitest.config.ts', related: false },
  mutate: [
    ...(values.files ?? `src/${folder}/**/*.ts`).split(','),
    ...['src/**/*.generated.*', ...BUILT_ONLY].map((glob) => `!${glob}`),
  ],
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
  timeoutMS: 30_000,
  allowEmpty: false,
}
if (values.fast) {
  const paths = values.files?.split(',') ?? sourcesOf(`src/${folder}`)
  writeFileSync(report, JSON.stringify(await testFast(paths, TOOL, env)))
} else {
  run('npx', ['vitest', 'run', '--config=tests/mutation/vitest.config.ts', '--reporter=default', '--silent'], '.', {
    env,
    timeoutMs: LIMIT_MS,
  })
  writeFileSync(config, JSON.stringify(settings, undefined, 2))
  forgetTimeouts(settings.incrementalFile)
  run(process.execPath, [`${TOOL}/node_modules/@stryker-mutator/core/bin/stryker.js`, 'run', config], '.', {
    env,
    timeoutMs: LIMIT_MS,
  })
}

const { files } = JSON.parse(readFileSync(report, 'utf8')) as Report
const mutants = Object.entries(files).flatMap(([path, { source, mutants: ofFile }]) => {
  const seen = new Map<string, number>()
  return ofFile.map((mutant) => ({ ...mutant, path, key: keyOf(mutant, path, source, seen) }))
})
const explained = new Set(readFileSync(SURVIVORS, 'utf8').match(/(?<=^\| )src\/.+?(?= \| )/gm))
const survivors = mutants.filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
const timeouts = mutants.filter(({ status }) => status === 'Timeout')
const killed = mutants.filter(({ status }) => status === 'Killed').length + timeouts.length
const total = killed + survivors.length
const score = total === 0 ? 100 : (100 * killed) / total
const open = survivors.filter(({ key }) => !explained.has(key))
const known = new Set(mutants.map(({ key }) => key))
const stale = [...explained].filter((key) => Object.hasOwn(files, key.split(': ')[0] ?? '') && !known.has(key))

for (const { path, location, statusReason = 'too slow' } of timeouts)
  console.log(`timeout   ${path}:${location.start.line} ${statusReason}`)
for (const { path, location, key } of survivors)
  console.log(`${explained.has(key) ? 'explained' : 'SURVIVED '} ${path}:${location.start.line} ${key}`)
for (const key of stale) console.log(`STALE     ${SURVIVORS} explains a change that does not exist: ${key}`)
const endless = timeouts.filter(({ statusReason = '' }) => statusReason.startsWith('Hit limit')).length
console.log(
  `${folder}: ${score.toFixed(1)} %, ${killed} of ${total} killed (${timeouts.length} by timeout: ${endless} in an endless loop, ${timeouts.length - endless} too slow), ${open.length} of ${survivors.length} survivors not explained`,
)
if (values.check && (score < MIN_SCORE || open.length + stale.length > 0)) process.exitCode = 1

function sourcesOf(folder: string): string[] {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return paths
    .map((path) => `${folder}/${path}`)
    .filter((path) => path.endsWith('.ts') && !path.includes('.generated.') && !BUILT_ONLY.includes(path))
}

/** The next run repeats the changes that timed out: the machine may have been busy. */
function forgetTimeouts(path: string): void {
  if (!existsSync(path)) return
  const earlier = JSON.parse(readFileSync(path, 'utf8')) as Report
  const files = Object.entries(earlier.files).map(([name, file]) => {
    const mutants = file.mutants.filter(({ status }) => status !== 'Timeout')
    return [name, { ...file, mutants }]
  })
  writeFileSync(path, JSON.stringify({ ...earlier, files: Object.fromEntries(files) }))
}

/**
 * The key of a row in the survivors: the change, shortened, and a hash of the change and its complete lines. It stays the same when
 * lines move. If a file has the same line more than once, a number makes the key unique.
 */
function keyOf({ location, replacement = '' }: Mutant, path: string, source: string, seen: Map<string, number>) {
  const { start, end } = location
  const lines = source.split('\n').slice(start.line - 1, end.line)
  const last = lines.length - 1
  const before = lines
    .map((line, index) => line.slice(index === 0 ? start.column - 1 : 0, index === last ? end.column - 1 : undefined))
    .join('\n')
  const around = [
    lines[0]?.slice(0, start.column - 1).trimStart(),
    before,
    lines[last]?.slice(end.column - 1),
    replacement,
  ]
  const hash = createHash('sha256').update(around.join('\0')).digest('hex').slice(0, 8)
  const count = (seen.get(hash) ?? 0) + 1
  seen.set(hash, count)
  return `${path}: ${cell(before)} → ${cell(replacement)} #${hash}${count === 1 ? '' : `-${count}`}`
}

function cell(text: string): string {
  const line = text.replace(/\s+/g, ' ').replaceAll('`', "'").trim()
  return `\`${(line.length <= 80 ? line : `${line.slice(0, 77)}...`).replaceAll('|', '\\|')}\``
}
