import { readFileSync } from 'node:fs'
import process from 'node:process'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const include = (process.env['MUTATION_TESTS'] ?? '').split(',')

/** Runs the tests of the folder first. The others take longer, and most changes fail before. */
class InOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification) =>
      include.findIndex((glob) => moduleId.includes(glob.replace(/\*.*/, '')))
    return [...files].sort((a, b) => placeOf(a) - placeOf(b))
  }
}

/** The changed code, by path, of scripts/mutation-fast.ts. Absent with Stryker, which writes a copy of the project. */
const instrumentedPath = process.env['MUTATION_INSTRUMENTED']
const instrumented: Readonly<Record<string, string>> =
  instrumentedPath === undefined ? {} : JSON.parse(readFileSync(instrumentedPath, 'utf8'))
/** Whether this run tests all changes in one process. */
const isFast = process.env['MUTATION_RESULT'] !== undefined
/** Most tests that time out wait forever. A change that times out in the fast run is repeated in a process of its own. */
const timeoutMs = isFast ? 5_000 : instrumentedPath !== undefined ? 10_000 : 30_000

/** The tests of one folder, for scripts/mutation.ts. */
export default defineConfig({
  plugins: [{ name: 'instrumented', enforce: 'pre', load: (id: string) => instrumented[id] }],
  test: {
    include,
    // Code that Stryker has instrumented is too slow for the bounds of the first one. The others run for 5 s each.
    exclude: ['**/linear-time.test.ts', '**/key-rotation.test.ts', '**/slow-bodies.test.ts'],
    sequence: { sequencer: InOrder },
    // Modules are loaded once for each change, not once for each file of tests.
    isolate: false,
    restoreMocks: true,
    unstubGlobals: true,
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    ...(isFast && {
      runner: './tests/mutation/runner.ts',
      // Changed code often leaves a rejection behind.
      dangerouslyIgnoreUnhandledErrors: true,
    }),
    ...(instrumentedPath !== undefined && { fileParallelism: false, pool: 'threads' as const }),
  },
})
