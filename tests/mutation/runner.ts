import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { type RunnerTestCase, TestRunner } from 'vitest'

/**
 * Runs each test once, and then once more for each change of the code that it executes and that no test has detected yet, in one
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
  /** The first test that detected a change, its file, and the message of its error. */
  readonly killed: Record<string, { readonly file: string; readonly test: string; readonly message: string }>
  /** Changes that this process cannot decide, because a test also fails without them, and the file of that test. */
  readonly doubtful: Record<string, string>
  /** Changes that tests execute. */
  readonly covered: Record<string, true>
  /** Changes of expressions that are executed when a module is loaded. */
  readonly loaded: Record<string, number>
}

/** A test that takes more processor time is run once: with a hundred changes it would take minutes. In milliseconds. */
const MAX_TEST_MS = 120
/** How much more often than the original a changed expression may be executed. */
const HIT_FACTOR = 100

const globals = globalThis as { __stryker__?: Stryker; mutationResult?: FastResult }
globals.__stryker__ ??= {}
globals.mutationResult ??= { killed: {}, doubtful: {}, covered: {}, loaded: {} }
const stryker = globals.__stryker__
const result = globals.mutationResult

/** The repetitions of the current test, after its first run. A repetition without an `id` runs the code without a change. */
let repetitions: { readonly id?: string; readonly hits: number }[] = []
let cpuUsage = process.cpuUsage()

export default class MutationRunner extends TestRunner {
  override async onBeforeRunTask(test: RunnerTestCase): Promise<void> {
    await super.onBeforeRunTask(test)
    repetitions = []
    // Read before each repetition: the number is only known after the first run.
    test.repeats = { valueOf: () => repetitions.length } as unknown as number
    test.retry = 0
  }

  override onBeforeTryTask(test: RunnerTestCase, { repeats = 0 }: { repeats?: number } = {}): void {
    const { id, hits = 0 } = repetitions[repeats - 1] ?? {}
    stryker.currentTestId = repeats === 0 ? 'test' : 'change'
    stryker.activeMutant = id
    stryker.hitCount = id === undefined ? undefined : 0
    stryker.hitLimit = HIT_FACTOR * hits
    cpuUsage = process.cpuUsage()
    super.onBeforeTryTask(test)
  }

  onAfterRetryTask(test: RunnerTestCase, { repeats }: { repeats: number }): void {
    const { state, errors } = test.result ?? {}
    stryker.activeMutant = undefined
    if (repeats === 0) this.#afterFirst(test, state === 'fail')
    else if (state === 'fail') this.#afterFailure(test, repeats, errors?.[0]?.message ?? '')
    stryker.currentTestId = 'change'
    if (stryker.mutantCoverage !== undefined) stryker.mutantCoverage.perTest = {}
    if (test.result !== undefined) Object.assign(test.result, { state: 'pass', errors: undefined })
  }

  #afterFirst(test: RunnerTestCase, hasFailed: boolean): void {
    const { user, system } = process.cpuUsage(cpuUsage)
    const changes = Object.entries(stryker.mutantCoverage?.perTest['test'] ?? {}).map(([id, hits]) => ({ id, hits }))
    for (const { id } of changes) result.covered[id] = true
    if (hasFailed) for (const { id } of changes) result.doubtful[id] = test.file.name
    else if (user + system < MAX_TEST_MS * 1_000) repetitions = changes.filter(({ id }) => !(id in result.killed))
  }

  #afterFailure(test: RunnerTestCase, repeats: number, message: string): void {
    const { id } = repetitions[repeats - 1] ?? {}
    const file = test.file.name
    if (id !== undefined) {
      result.killed[id] = { file, test: `${file} > ${test.name}`, message }
      // Next, run without a change. If the test still fails, it cannot decide about this change and the next ones.
      repetitions.splice(repeats, 0, { hits: 0 })
      return
    }
    // The test failed without a change. Index `repeats - 2` is the change before this run.
    for (const { id } of repetitions.splice(repeats - 2)) {
      if (id === undefined) continue
      delete result.killed[id]
      result.doubtful[id] = file
    }
  }

  override onAfterRunFiles(): void {
    super.onAfterRunFiles()
    Object.assign(result.loaded, stryker.mutantCoverage?.static)
    // The next file is loaded without a test.
    stryker.currentTestId = undefined
    writeFileSync(process.env['MUTATION_RESULT'] ?? '', JSON.stringify(result))
  }
}
