/**
 * Installs playwright-core and axe-core for the tests of the console, when they start: nothing else needs them. The browser is
 * the one of the machine (Debian: apt-get install chromium), so playwright-core downloads none.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run } from './run.ts'

const folder = fileURLToPath(new URL('../tests/browser', import.meta.url))

/** The names and places of Chromium. CHROMIUM_PATH is another one. */
const PATHS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
]

/** The browser of this machine. */
export function chromiumPath(): string | undefined {
  return [process.env['CHROMIUM_PATH'], ...PATHS].find((path) => path !== undefined && existsSync(path))
}

/** Prints a failure instead of throwing it: the tests that need it are then skipped, and print the reason. */
export function installBrowser(): void {
  if (existsSync(`${folder}/node_modules/playwright-core`)) return
  try {
    // To stderr: the caller may print a report on stdout.
    const args = ['install', '--no-save', '--no-audit', '--no-fund', '--no-update-notifier', '--ignore-scripts']
    run('npm', args, folder, { stdout: 2, timeoutMs: 120_000 })
  } catch (error) {
    console.error(`playwright-core cannot be installed, so its tests are skipped: ${(error as Error).message}`)
  }
}
