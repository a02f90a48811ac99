import { expect, test } from 'vitest'
import { RULES } from '../../src/testing/simulator/rules.ts'
import { SCENARIOS } from '../../src/testing/simulator/scenarios.ts'
import { read } from '../support/project.ts'

const guide = read('docs/simulator.md')
const protocol = read('docs/protocol.md')

test('docs/simulator.md lists every rule, in order, and every scenario', () => {
  const rows = [...guide.matchAll(/^\| `([a-z-]+)` \| ([\d.]+) \| (.*) \|$/gm)].map(([, ...cells]) => cells)
  const rules = Object.entries(RULES).map(([rule, { section, title, severity }]) => [
    ...[rule, section, severity === 'warning' ? `${title} (warning)` : title],
  ])
  expect(rows).toEqual(rules)
  for (const { name, summary } of Object.values(SCENARIOS)) expect(guide).toContain(`| \`${name}\` | ${summary} |`)
})

test('every rule names a section of docs/protocol.md', () => {
  for (const { section } of Object.values(RULES))
    expect(protocol).toMatch(new RegExp(`^##+ ${section.replace('.', '\\.')}[. ]`, 'm'))
})

test('every rule is tested by a scenario or by every response', () => {
  const named = JSON.stringify(SCENARIOS)
  const untested = Object.keys(RULES).filter(
    (rule) =>
      !rule.startsWith('response-') &&
      !['refusal-unsigned', 'refusal-status'].includes(rule) &&
      !named.includes(`"rule":"${rule}"`),
  )
  expect(untested).toEqual([])
})
