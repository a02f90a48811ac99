import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import process from 'node:process'
import type { FastResult } from '../tests/mutation/runner.ts'

interface Position {
  readonly line: number
  readonly column: number
}

/** A change, and what has become of it, as in the reports of Stryker. */
export interface Mutant {
  readonly mutatorName: string
  readonly replacement?: string
  readonly status: string
  readonly statusReason?: string
  readonly location: { readonly start: Position; readonly end: Position }
}

/** A report of Stryker. */
export interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>>
}

/** The part of Stryker's instrumenter that we use. Its lines and columns begin at 0. */
interface Instrumenter {
  instrument(
    files: readonly { readonly name: string; readonly content: string; readonly mutate: true }[],
    options: object,
  ): Promise<{
    readonly files: readonly { readonly name: string; readonly content: string }[]
    readonly mutants: readonly (Omit<Mutant, 'status'> & { readonly id: string; readonly fileName: string })[]
  }>
}

/** The part of Vitest's JSON report that we use. */
interface TestReport {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly { readonly failureMessages: readonly string[] | null }[]
  }[]
}

const VITEST = 'node_modules/vitest/vitest.mjs'
const LIMIT_MS = 3_600_000
/** The time limit of a run with one change: five times the time without a change, plus a minute for a busy machine. */
const limitFor = (durationMs: number) => 60_000 + 5 * Math.ceil(durationMs)
/** The error of a timeout. Vitest's JSON report has its stack, which begins with another message. */
const TIMED_OUT = /^(?:Test|Hook) timed out in|^Error: STACK_TRACE_ERROR/
const SILENT = { isDebugEnabled: () => false, debug() {}, info() {}, warn() {} }

/**
 * Changes the code as Stryker does, and tests all changes in one process: see tests/mutation/runner.ts. That is ten to a hundred
 * times faster than Stryker. Three kinds of changes are decided in processes of their own: those that time out, those after which a
 * test also fails without a change, and those in code that runs when its module is loaded. Two differences from Stryker remain:
 * slow tests run without changes, and work that a test leaves behind can disturb the next test.
 */
export async function testFast(paths: readonly string[], tool: string, env: Readonly<Record<string, string>>) {
  const module = resolve(tool, 'node_modules/@stryker-mutator/instrumenter/dist/src/index.js')
  const { Instrumenter } = (await import(module)) as { Instrumenter: new (logger: object) => Instrumenter }
  const inputs = paths.map((name) => ({
    name: resolve(name),
    content: readFileSync(name, 'utf8'),
    mutate: true as const,
  }))
  const options = { plugins: null, excludedMutations: [], ignorers: [] }
  const { files, mutants } = await new Instrumenter(SILENT).instrument(inputs, options)
  const instrumented = resolve(tool, `instrumented-${process.pid}.json`)
  const resultPath = resolve(tool, `result-${process.pid}.json`)
  const reportPath = resolve(tool, `tests-${process.pid}.json`)
  writeFileSync(instrumented, JSON.stringify(Object.fromEntries(files.map(({ name, content }) => [name, content]))))

  /** Returns why the tests fail: an empty list if they pass, `undefined` if they take too long. */
  function runTests(more: Readonly<Record<string, string>>, timeout: number, ...args: readonly string[]) {
    rmSync(reportPath, { force: true })
    const reporter = ['--reporter=json', `--outputFile=${reportPath}`]
    // Not with npx: the signal after the timeout must reach the process that runs the tests.
    const { status, signal } = spawnSync(
      process.execPath,
      [VITEST, 'run', '--config=tests/mutation/vitest.config.ts', '--silent', ...reporter, ...args],
      {
        env: { ...process.env, ...env, MUTATION_INSTRUMENTED: instrumented, ...more },
        stdio: ['ignore', 'ignore', 'ignore'],
        timeout,
        killSignal: 'SIGKILL',
      },
    )
    if (signal !== null) return undefined
    return status === 0 ? [] : failuresIn(reportPath)
  }

  const durations = new Map<string, number>()
  /** How long tests take without a change. Throws if they fail: then they would fail with every change. */
  function durationOf(...args: readonly string[]): number {
    const known = durations.get(args.join())
    if (known !== undefined) return known
    const start = performance.now()
    const failures = runTests({}, LIMIT_MS, ...args)
    if (failures === undefined || failures.length > 0)
      throw new Error(`The tests fail without a change: ${failures?.join('\n') ?? 'they take too long'}`)
    const duration = performance.now() - start
    durations.set(args.join(), duration)
    return duration
  }

  /** Runs the tests with the change: `file` first if it is given, then all. Each run has a process of its own. */
  function outcomeAlone(id: string, file?: string): Pick<Mutant, 'status' | 'statusReason'> {
    for (const args of file === undefined ? [[]] : [[file], []]) {
      const limit = limitFor(durationOf(...args))
      const failures = runTests({ __STRYKER_ACTIVE_MUTANT__: id }, limit, '--bail=1', ...args)
      if (failures?.length === 0) continue
      const [failure] = failures ?? []
      if (failure !== undefined && !TIMED_OUT.test(failure)) return { status: 'Killed', statusReason: failure }
      // Not a kill if the machine is so busy that the same tests also fail without the change.
      const isBusy = runTests({}, limit, ...args)?.length !== 0
      return {
        status: isBusy ? 'Survived' : 'Timeout',
        statusReason: failures ? 'a test times out' : 'the tests do not end',
      }
    }
    return { status: 'Survived' }
  }

  durationOf()
  const failures = runTests({ MUTATION_RESULT: resultPath }, LIMIT_MS)
  if (failures === undefined || !existsSync(resultPath))
    throw new Error('The tests of the changes ended without a result: they took too long, or could not be loaded')
  const { killed, doubtful, covered, loaded } = JSON.parse(readFileSync(resultPath, 'utf8')) as FastResult
  for (const failure of failures) console.log(`FAILS     ${failure}`)

  function outcomeOf(id: string): Pick<Mutant, 'status' | 'statusReason'> {
    const kill = killed[id]
    const hits = /^Stryker: Hit count (.*)/.exec(kill?.message ?? '')?.[1]
    if (hits !== undefined) return { status: 'Timeout', statusReason: `Hit ${hits}` }
    if (kill !== undefined && !TIMED_OUT.test(kill.message)) return { status: 'Killed', statusReason: kill.test }
    const file = kill?.file ?? doubtful[id]
    if (file !== undefined || id in loaded) return outcomeAlone(id, file)
    return { status: id in covered ? 'Survived' : 'NoCoverage' }
  }

  const report = inputs.map(({ name, content: source }) => {
    const ofFile = mutants.filter(({ fileName }) => fileName === name)
    const fromOne = ({ line, column }: Position) => ({ line: line + 1, column: column + 1 })
    const withOutcomes = ofFile.map(({ id, mutatorName, replacement, location: { start, end } }) => ({
      mutatorName,
      ...(replacement !== undefined && { replacement }),
      location: { start: fromOne(start), end: fromOne(end) },
      ...outcomeOf(id),
    }))
    return [relative(process.cwd(), name), { source, mutants: withOutcomes }] as const
  })
  for (const path of [instrumented, resultPath, reportPath]) rmSync(path, { force: true })
  return { files: Object.fromEntries(report) } satisfies Report
}

/** The first line of each error. A file that cannot be loaded has one without a test. */
function failuresIn(reportPath: string): string[] {
  if (!existsSync(reportPath)) return ['the process ended without a report']
  const { testResults } = JSON.parse(readFileSync(reportPath, 'utf8')) as TestReport
  const messages = testResults
    .filter(({ status }) => status === 'failed')
    .flatMap(({ message, assertionResults }) => [
      message,
      ...assertionResults.flatMap((test) => test.failureMessages ?? []),
    ])
    .filter((message) => message !== '')
  return messages.length === 0 ? ['an error outside of the tests'] : messages.map((text) => text.split('\n')[0] ?? '')
}
