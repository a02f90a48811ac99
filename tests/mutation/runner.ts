import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { type RunnerTestCase, TestRunner } from 'vitest'

/**
 * Runs each test once, and then once more for each change of the code that it executes and that no test has noticed yet, in one
 * process. `npm run mutation -- FOLDER --fast` uses it: Stryker loads all modules again for each change.
 */

/** The names are those of the code that Stryker instruments. */
interface Stryker {
  activeMutant?: string | undefined
  currentTestId?: string | undefined
  hitCount?: number | undefined
  hitLimit?: number
  mutantCoverage?: { static: Record<string, number>; perTest: Record<string, Record<string, number>> }
}

/** What is known about the changes, by their id. */
export interface FastResult {
  /** The first test that noticed a change, and the message of its error. */
  readonly killed: Record<string, { readonly test: string; readonly message: string }>
  /** Changes that tests execute. */
  readonly covered: Record<string, true>
  /** Changes of expressions that are executed when a module is loaded. */
  readonly loaded: Record<string, number>
  /** Tests that fail without a change. */
  readonly broken: string[]
}

/** A test that takes more processor time is run once: with a hundred changes it would take minutes. In milliseconds. */
const MAX_TEST_MS = 120
/** How much more often than the original a changed expression may be executed. */
const HIT_FACTOR = 100

const globals = globalThis as { __stryker__?: Stryker; mutationResult?: FastResult }
globals.__stryker__ ??= {}
globals.mutationResult ??= { killed: {}, covered: {}, loaded: {}, broken: [] }
const stryker = globals.__stryker__
const result = globals.mutationResult

/** How often the test that runs executes each change. */
let changes: [id: string, hits: number][] = []
let cpuUsage = process.cpuUsage()

export default class MutationRunner extends TestRunner {
  override async onBeforeRunTask(test: RunnerTestCase): Promise<void> {
    await super.onBeforeRunTask(test)
    changes = []
    // Read before each repetition: the number is only known after the first one.
    test.repeats = { valueOf: () => changes.length } as unknown as number
    test.retry = 0
  }

  override onBeforeTryTask(test: RunnerTestCase, { repeats = 0 }: { repeats?: number } = {}): void {
    const change = changes[repeats - 1]
    stryker.currentTestId = change === undefined ? 'test' : 'change'
    stryker.activeMutant = change?.[0]
    stryker.hitCount = change && 0
    stryker.hitLimit = HIT_FACTOR * (change?.[1] ?? 0)
    cpuUsage = process.cpuUsage()
    super.onBeforeTryTask(test)
  }

  onAfterRetryTask(test: RunnerTestCase, { repeats }: { repeats: number }): void {
    const { state, errors } = test.result ?? {}
    const name = `${test.file.name} > ${test.name}`
    const change = changes[repeats - 1]
    stryker.activeMutant = undefined
    if (change === undefined) {
      const { user, system } = process.cpuUsage(cpuUsage)
      const hits = Object.entries(stryker.mutantCoverage?.perTest['test'] ?? {})
      for (const [id] of hits) result.covered[id] = true
      if (state === 'fail') result.broken.push(name)
      else if (user + system < MAX_TEST_MS * 1_000) changes = hits.filter(([id]) => !(id in result.killed))
    } else if (state === 'fail') {
      result.killed[change[0]] = { test: name, message: errors?.[0]?.message ?? '' }
    }
    stryker.currentTestId = 'change'
    if (stryker.mutantCoverage !== undefined) stryker.mutantCoverage.perTest = {}
    if (test.result !== undefined) Object.assign(test.result, { state: 'pass', errors: undefined })
  }

  override onAfterRunFiles(): void {
    super.onAfterRunFiles()
    Object.assign(result.loaded, stryker.mutantCoverage?.static)
    // The next file is loaded without a test.
    stryker.currentTestId = undefined
    writeFileSync(process.env['MUTATION_RESULT'] ?? '', JSON.stringify(result))
  }
}
