import { defineConfig } from 'vitest/config'

/** For scripts/runtimes.ts, which installs the runtimes. */
export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  test: {
    restoreMocks: true,
    maxWorkers: '100%',
    include: ['tests/runtimes/*.suite.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
