import { defineConfig } from 'vitest/config'

/** Tests that run the package as users get it, out of dist/. */
const built = ['tests/cli/**/*.test.ts', 'tests/demo/**/*.test.ts', 'tests/package/**/*.test.ts']

/** Tests that talk to real databases. */
const stores = ['tests/stores/**/*.test.ts']

/** Tests that put modules aside, or load them anew: where files share a process, others would get them. */
const isolated = ['tests/server/processing.test.ts', 'tests/client/client.test.ts']

/** Tests that install the examples from the registry: `npm run test:examples`. */
const examples = ['tests/examples/**/*.test.ts']

export default defineConfig({
  test: {
    restoreMocks: true,
    unstubGlobals: true,
    // Several processes in a test, and other tests beside it: a slow machine is no failure.
    testTimeout: 30_000,
    // Vitest leaves one core to itself: of two, that is half.
    maxWorkers: '100%',
    projects: [
      {
        extends: true,
        // Modules are loaded once for all files: to start a process for each took as long as the tests.
        test: {
          name: 'source',
          include: ['tests/**/*.test.ts'],
          exclude: [...isolated, ...built, ...stores, ...examples],
          isolate: false,
        },
      },
      { extends: true, test: { name: 'isolated', include: isolated } },
      { extends: true, test: { name: 'stores', include: stores, globalSetup: 'tests/support/services.ts' } },
      {
        extends: true,
        test: {
          name: 'built',
          include: built,
          globalSetup: ['tests/support/build.ts', 'tests/support/services.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'examples',
          include: examples,
          globalSetup: 'tests/support/build.ts',
          maxConcurrency: 2,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
