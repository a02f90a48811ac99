import process from 'node:process'
import { defineConfig } from 'vitest/config'

/** The tests of one folder, for scripts/mutation.ts. */
export default defineConfig({
  test: {
    include: (process.env['MUTATION_TESTS'] ?? '').split(','),
    restoreMocks: true,
    unstubGlobals: true,
    testTimeout: 30_000,
  },
})
