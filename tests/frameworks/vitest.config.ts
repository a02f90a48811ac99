import { defineConfig } from 'vitest/config'

/** For scripts/frameworks.ts, which installs the frameworks and builds the Next.js applications. */
export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  test: {
    restoreMocks: true,
    maxWorkers: '100%',
    include: ['tests/frameworks/*.suite.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
