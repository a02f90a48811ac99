import { defineConfig } from 'vitest/config'

/** Run by scripts/frameworks.ts, which installs what is to be tested and builds the applications for Next.js. */
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
