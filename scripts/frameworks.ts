/**
 * The suite of the adapters over the current and the previous major of each framework.
 * Needs dist/ for Next.js, so build first. Usage: npm run test:frameworks [-- versions | next]
 *
 * What tests/frameworks/ names goes into .cache/frameworks/, so that the project's own installation stays small.
 * Results go to .cache/results/, in the form of vitest's JSON.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import process from 'node:process'

const source = resolve('tests/frameworks')
const folder = resolve('.cache/frameworks')
const MAJORS = ['current', 'previous']

function run(command: string, args: readonly string[], cwd: string, env: Record<string, string> = {}): void {
  const { status } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (status !== 0) throw new Error(`${command} ${args[0]} has failed in ${cwd}`)
}

/** Installs the frameworks, unless those of this very lockfile are there. */
function install(): void {
  const installed = `${folder}/installed.json`
  const lock = readFileSync(`${source}/package-lock.json`, 'utf8')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === lock) return
  for (const path of ['package.json', 'package-lock.json', ...MAJORS.map((major) => `${major}/package.json`)]) {
    cpSync(`${source}/${path}`, `${folder}/${path}`)
  }
  cpSync('.npmrc', `${folder}/.npmrc`)
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'], folder)
  writeFileSync(installed, lock)
}

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
        NEXT_TELEMETRY_DISABLED: '1',
        NEXT_IGNORE_INCORRECT_LOCKFILE: '1',
      })
    }
  }
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : ['versions', 'next']
install()
if (wanted.includes('next')) buildNext()
run(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--config=tests/frameworks/vitest.config.ts',
    '--reporter=default',
    '--reporter=json',
    '--outputFile.json=.cache/results/frameworks.json',
    ...wanted.map((name) => `tests/frameworks/${name}.suite.ts`),
  ],
  '.',
)
