/** Adds up the test counts of the JSON files in a folder. They have vitest's format. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'

const [, , folder = '.'] = process.argv
const sum = { passed: 0, failed: 0, skipped: 0 }
const line = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed, ${skipped} skipped`

for (const name of readdirSync(folder).sort()) {
  const counts = JSON.parse(readFileSync(join(folder, name), 'utf8'))
  const passed = counts.numPassedTests
  // A test file that could not be loaded counts as one failure: it has no tests.
  const failed = counts.numFailedTests || (counts.success === false ? 1 : 0)
  const skipped = (counts.numPendingTests ?? 0) + (counts.numTodoTests ?? 0)
  sum.passed += passed
  sum.failed += failed
  sum.skipped += skipped
  console.log(`         ${name.replace('.json', '')}: ${line({ passed, failed, skipped })}`)
}
console.log(line(sum))
