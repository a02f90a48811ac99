import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Tests that run the built package in dist/, as users get it. */
const built = [
  'tests/cli/**/*.test.ts',
  'tests/demo/**/*.test.ts',
  'tests/package/**/*.test.ts',
  'tests/testing/guide.test.ts',
  'tests/console/browser.test.ts',
  'tests/console/firefox.test.ts',
]

/** Tests that use real databases. */
const stores = ['tests/stores/**/*.test.ts']

/**
 * Tests that replace modules, timers or globals, or see every event of the process. In a shared process, other test files would see the
 * replacements, and these would see their events.
 */
const isolated = [
  'tests/crypto/node.test.ts',
  'tests/diagnosis/charset.test.ts',
  'tests/telemetry/opentelemetry.test.ts',
  'tests/timeout.test.ts',
  'tests/correctness/ours.test.ts',
  'tests/docs/events.test.ts',
  'tests/outbox/bounded-store.test.ts',
  'tests/outbox/finisher.test.ts',
  'tests/outbox/waker.test.ts',
  'tests/outbox/worker.test.ts',
  'tests/server/abort.test.ts',
  'tests/server/bounded-store.test.ts',
  'tests/server/observation.test.ts',
  'tests/server/own-side-failures.test.ts',
  'tests/server/process-order.test.ts',
  'tests/server/running.test.ts',
  'tests/server/traffic.test.ts',
  'tests/server/unread-body.test.ts',
  'tests/server/verify-request.test.ts',
  'tests/client/timers.test.ts',
  'tests/console/readers.test.ts',
  'tests/console/stream.test.ts',
]

/** Tests that install the examples with npm. `npm run test:examples` runs them. */
const examples = ['tests/examples/**/*.test.ts']

/** They take a minute or more. The last file to end must not be one that has a core for itself. */
const slow = ['tests/stores/race.test.ts', 'tests/stores/crash.test.ts']

/** What does not depend on the version of Node: documents, and how the repository is built. Runs with `npm test` only. */
const onOneNode =
  process.env['SHORT'] !== undefined
    ? ['tests/docs/**', 'tests/repository.test.ts', 'tests/architecture.test.ts', 'tests/supply-chain.test.ts']
    : []

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isSlow = ({ moduleId }: TestSpecification) => slow.some((file) => moduleId.endsWith(file))
    const sorted = await super.sort(files)
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))]
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: SlowFirst },
    restoreMocks: true,
    unstubGlobals: true,
    // `npm run coverage`. Tests of the built package (the command line among them) and of other runtimes do not count: they run dist/.
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['src/cli/**', 'src/console/page/**', 'src/public/**', '**/*.d.ts'],
      reporter: ['text-summary', 'json-summary'],
      reportsDirectory: '.cache/coverage',
      reportOnFailure: true,
      thresholds: { lines: 96, branches: 90 },
    },
    // A test may start several processes while other tests run. On a slow machine that takes time, but it is not a failure.
    testTimeout: 30_000,
    // By default, Vitest leaves one core unused: on two cores, that is half of the machine.
    maxWorkers: '100%',
    projects: [
      {
        extends: true,
        // Without isolation, modules are loaded once for all files. A process for each file took as long as the tests.
        test: {
          name: 'source',
          include: ['tests/**/*.test.ts'],
          exclude: [...isolated, ...built, ...stores, ...examples, ...onOneNode],
          isolate: false,
        },
      },
      { extends: true, test: { name: 'isolated', include: isolated, exclude: onOneNode } },
      {
        extends: true,
        test: {
          name: 'stores',
          include: stores,
          globalSetup: ['tests/support/drivers.ts', 'scripts/install-orms.ts', 'tests/support/services.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'built',
          include: built,
          globalSetup: ['tests/support/drivers.ts', 'tests/support/build.ts', 'tests/support/services.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'examples',
          include: examples,
          globalSetup: ['tests/support/drivers.ts', 'tests/support/build.ts', 'tests/support/services.ts'],
          maxConcurrency: 2,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
