/**
 * The suite of the adapters over the current and the previous major of each framework.
 * Needs dist/ for Next.js, so build first. Usage: npm run test:frameworks [-- versions | next]
 *
 * What tests/frameworks/ names goes into .cache/frameworks/, so that the project's own installation stays small.
 * Results go to .cache/results/, in the form of vitest's JSON.
 */
import { cpSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import process from 'node:process'
import { folder, installFrameworks, MAJORS, source } from './install-frameworks.ts'
import { run, vitest } from './run.ts'

/** Builds the applications for Next.js of each major. */
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

const wanted = process.argv.length > 2 ? process.argv.slice(2) : ['versions', 'next']
installFrameworks()
if (wanted.includes('next')) buildNext()
const suites = wanted.map((name) => `tests/frameworks/${name}.suite.ts`)
const args = ['run', '--config=tests/frameworks/vitest.config.ts', ...suites]
run(process.execPath, vitest(args, '.cache/results/frameworks.json'), '.')
