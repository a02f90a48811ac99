/** Builds the package into dist/, unless dist/ is newer than its sources. */
import { execSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))

export function ensureBuilt(): void {
  const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(?:[jt]sx?|css|html)$/.test(path))
    .map((path) => `src/${path}`)
  const inputs = [...sources, 'package.json', 'tsup.config.ts', 'scripts/entry-points.ts', 'scripts/build-console.ts']
  // A build writes one of these files first and the other last: after an interrupted build, one of them is old.
  const built = Math.min(changedAt('dist/cli.js'), changedAt('dist/schemas/order.json'))
  if (built > Math.max(...inputs.map(changedAt))) return
  execSync('npm run build', { cwd: root, stdio: 'pipe', timeout: 180_000 })
}

/** Milliseconds since the epoch; 0 for a file that does not exist. */
function changedAt(path: string): number {
  return statSync(root + path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

ensureBuilt()
