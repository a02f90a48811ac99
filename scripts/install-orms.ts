/**
 * Installs the ORMs of tests/orms into .cache/orms for their tests, when these start, and generates the client of Prisma. `npm install` would
 * otherwise take twice as long.
 */
import { cpSync, existsSync, mkdirSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { install } from './install.ts'
import { run } from './run.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const folder = `${root}.cache/orms`

/** Prints a failure instead of throwing it: the tests are then skipped, and print the reason. */
export default function installOrms(): void {
  if (existsSync(`${folder}/generated/index.js`)) return
  try {
    mkdirSync(folder, { recursive: true })
    install(`${root}tests/orms`, folder)
    cpSync(`${root}tests/orms/schema.prisma`, `${folder}/schema.prisma`)
    // `generate` needs no engine, and would otherwise download one.
    run(process.execPath, ['node_modules/prisma/build/index.js', 'generate', '--schema', 'schema.prisma'], folder, {
      env: { PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true' },
      stdout: 2,
      timeoutMs: 60_000,
    })
  } catch (error) {
    console.error(`The ORMs cannot be installed, so their tests are skipped: ${(error as Error).message}`)
  }
}
