import { readFileSync, writeFileSync } from 'node:fs'
import { formatResults, withResults } from './page.ts'
import { runCases } from './run.ts'
import { loadSubjects } from './subjects/all.ts'
import { versionOf } from './subjects/peer.ts'

const PAGE = 'docs/comparison.md'

/** `npm run correctness`: runs every case against every library, and writes the results into the page. */
const rows = await runCases(await loadSubjects(), ({ category, case: { name }, outcomes }) => {
  console.log(`${category.name}: ${name}`)
  for (const [library, { verdict, note = '' }] of outcomes)
    console.log(`  ${library.padEnd(36)} ${verdict.padEnd(9)} ${note}`)
})
writeFileSync(PAGE, withResults(readFileSync(PAGE, 'utf8'), formatResults(rows, versionOf)))
console.log(`\n${rows.length} cases. The results are in ${PAGE}.`)
// Some libraries leave connections open.
process.exit()
