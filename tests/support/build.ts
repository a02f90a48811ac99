import { execSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { files, root } from './project.ts'

/** For the tests of what users run: builds the package, unless dist/ is newer than all that it is made from. */
export default function setup(): void {
  const sources = [...files('src', /\.[jt]s$/), 'package.json', 'tsup.config.ts']
  // The first and the last that a build makes: one that broke off half-way does not count.
  const built = Math.min(changedAt('dist/cli.js'), changedAt('dist/schemas/order.json'))
  if (built > Math.max(...sources.map(changedAt))) return
  execSync('npm run build', { cwd: root, stdio: 'pipe' })
}

/** Milliseconds since the epoch; 0 for what does not exist. */
function changedAt(path: string): number {
  return statSync(root + path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
