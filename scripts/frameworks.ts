/**
 * Runs the adapter tests with the current and the previous major version of each framework.
 * Next.js needs dist/, so build first. Usage: npm run test:frameworks [-- versions | next]
 *
 * The packages of tests/frameworks/ are installed into .cache/frameworks/, to keep the project's own installation small.
 * Results are written to .cache/results/, in vitest's JSON format.
 */
import { cpSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import process from 'node:process'
import { folder, installFrameworks, MAJORS, source } from './install-frameworks.ts'
import { run, vitest } from './run.ts'

/** Builds the Next.js applications with each major version. */
function buildNext(): void {
  const link = `${folder}/node_modules/alipayhk-order-sync`
  rmSync(link, { force: true })
  symlinkSync(resolve('.'), link)
  for (const major of MAJORS) {
    rmSync(`${folder}/${major}/next`, { recursive: true, force: true })
    cpSync(`${source}/next`, `${folder}/${major}/next`, { recursive: true })
    const cli = createRequire(`${folder}/${major}/package.json`).resolve('next/dist/bin/next')
    for (const app of ['pages', 'app']) {
      run(process.execPath, [cli, 'build'], `${folder}/${major}/next/${app}`, {
        env: { NEXT_TELEMETRY_DISABLED: '1', NEXT_IGNORE_INCORRECT_LOCKFILE: '1' },
      })
    }
  }
}

const names = process.argv.length > 2 ? process.argv.slice(2) : ['versions', 'next']
installFrameworks()
if (names.includes('next')) buildNext()
const suites = names.map((name) => `tests/frameworks/${name}.suite.ts`)
const args = ['run', '--config=tests/frameworks/vitest.config.ts', ...suites]
run(process.execPath, vitest(args, '.cache/results/frameworks.json'), '.')
