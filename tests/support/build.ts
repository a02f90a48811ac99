import { execSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { files, root } from './project.ts'

/** Builds the package for the tests that use dist/, unless dist/ is newer than its sources. */
export default function setup(): void {
  const sources = [...files('src', /\.[jt]s$/), 'package.json', 'tsup.config.ts', 'scripts/entry-points.ts']
  // A build writes one of these files first and the other last: after an interrupted build, one of them is old.
  const built = Math.min(changedAt('dist/cli.js'), changedAt('dist/schemas/order.json'))
  if (built > Math.max(...sources.map(changedAt))) return
  execSync('npm run build', { cwd: root, stdio: 'pipe' })
}

/** Milliseconds since the epoch; 0 for a file that does not exist. */
function changedAt(path: string): number {
  return statSync(root + path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
