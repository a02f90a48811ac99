/**
 * Installs the ORMs of tests/orms for their tests, when these start, and generates the client of Prisma. `npm install` would
 * otherwise take twice as long.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run } from './run.ts'

const folder = fileURLToPath(new URL('../tests/orms', import.meta.url))

/** A failure is printed and not thrown: the tests are then skipped, and say so. */
export function installOrms(): void {
  if (existsSync(`${folder}/generated/index.js`)) return
  try {
    run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'], folder, {
      stdout: 2,
      timeoutMs: 240_000,
    })
    // `generate` needs no engine, and would otherwise download one.
    process.env['PRISMA_SCHEMA_ENGINE_BINARY'] = '/bin/true'
    run(process.execPath, ['node_modules/prisma/build/index.js', 'generate', '--schema', 'schema.prisma'], folder, {
      stdout: 2,
      timeoutMs: 60_000,
    })
  } catch (error) {
    console.error(`The ORMs cannot be installed, so their tests are skipped: ${(error as Error).message}`)
  }
}

export default installOrms
