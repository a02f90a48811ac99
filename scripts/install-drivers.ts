/**
 * Installs better-sqlite3 for the tests, when they start: compiling it takes a minute where no binary can be downloaded, and
 * nothing else needs it. tests/drivers names its version; the link makes it visible to src/ and tests/.
 */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run } from './run.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const link = `${root}node_modules/better-sqlite3`
const folder = `${root}tests/drivers`

/** Prints a failure instead of throwing it: the tests of the driver are then skipped, and print the reason. */
export function installDrivers(): void {
  if (existsSync(link)) return
  try {
    // To stderr: the caller may print a report on stdout.
    const args = ['install', '--no-save', '--no-audit', '--no-fund', '--no-update-notifier', '--ignore-scripts=false']
    run('npm', args, folder, { stdout: 2, timeoutMs: 300_000 })
    mkdirSync(`${root}node_modules`, { recursive: true })
    symlinkSync(`${folder}/node_modules/better-sqlite3`, link, 'dir')
  } catch (error) {
    console.error(`better-sqlite3 cannot be installed, so its tests are skipped: ${(error as Error).message}`)
  }
}
