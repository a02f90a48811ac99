import type { ConformanceReport, RuleReport } from './report.ts'

/**
 * A report as text: every rule with its verdict, and what was wrong.
 *
 * @param options `color` adds the colours of a terminal (default: false).
 * @see docs/protocol.md sections 1 to 7
 * @example
 * ```ts
 * import { type ConformanceReport, formatReport } from 'alipayhk-order-sync/testing'
 *
 * export const print = (report: ConformanceReport) => console.log(formatReport(report))
 * ```
 */
export function formatReport(report: ConformanceReport, { color = false }: { readonly color?: boolean } = {}): string {
  const { scenario, seed, url, rules, notes, requests, durationMs, passed, aborted } = report
  const paint = (code: number, text: string) => (color ? `\u001B[${code}m${text}\u001B[39m` : text)
  const failed = rules.filter(({ outcome, severity }) => outcome === 'failed' && severity === 'error').length
  const warned = rules.filter(({ outcome, severity }) => outcome === 'failed' && severity === 'warning').length
  const verdict = passed ? paint(32, 'The endpoint conforms') : paint(31, 'The endpoint does not conform')
  return [
    `Scenario ${scenario}, seed ${seed}, ${url}`,
    '',
    ...rules.flatMap((rule) => linesOf(rule, paint)),
    ...notes.map((note) => `  Note: ${note}`),
    '',
    ...(aborted ? ['The run was stopped before its end.'] : []),
    `${verdict}: ${rules.length} rules tested, ${failed} broken, ${warned} warnings. ${requests} requests in ${(durationMs / 1_000).toFixed(1)} s.`,
  ].join('\n')
}

function linesOf(rule: RuleReport, paint: (code: number, text: string) => string): string[] {
  const { outcome, severity, section, title, checks, failures, findings } = rule
  const isFailed = outcome === 'failed'
  const mark = !isFailed ? paint(32, 'ok  ') : severity === 'warning' ? paint(33, 'warn') : paint(31, 'FAIL')
  const count = isFailed ? `${failures} of ${checks}` : `${checks}`
  return [
    `  ${mark}  ${title} (section ${section}; ${count})`,
    ...findings.flatMap(({ delivery, expected, actual }) => [
      `          ${delivery}`,
      `            expected: ${expected}`,
      `            actual:   ${actual}`,
    ]),
    ...(failures > findings.length ? [`          … and ${failures - findings.length} more`] : []),
  ]
}

/**
 * A report as JUnit XML, which CI systems show: one test case for each rule. A broken rule with the severity `warning` is a
 * passed test case with the finding as its output.
 *
 * @see docs/protocol.md sections 1 to 7
 * @example
 * ```ts
 * import { writeFile } from 'node:fs/promises'
 * import { type ConformanceReport, formatJUnitReport } from 'alipayhk-order-sync/testing'
 *
 * export const write = (report: ConformanceReport) => writeFile('junit.xml', formatJUnitReport(report))
 * ```
 */
export function formatJUnitReport(report: ConformanceReport): string {
  const { scenario, seed, rules, notes, durationMs, aborted } = report
  const failures = rules.filter(({ outcome, severity }) => outcome === 'failed' && severity === 'error').length
  const seconds = (durationMs / 1_000).toFixed(3)
  const errors = aborted ? 1 : 0
  const counts = `tests="${rules.length + errors}" failures="${failures}" errors="${errors}" time="${seconds}"`
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="${escapeXml(scenario)}" ${counts}>`,
    `    <properties><property name="seed" value="${seed}"/></properties>`,
    ...rules.flatMap((rule) => testCaseOf(rule, scenario)),
    ...(aborted
      ? [
          `    <testcase classname="${escapeXml(scenario)}" name="The scenario runs to its end">`,
          '      <error message="The run was stopped before its end."/>',
          '    </testcase>',
        ]
      : []),
    ...(notes.length === 0 ? [] : [`    <system-out>${escapeXml(notes.join('\n'))}</system-out>`]),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n')
}

function testCaseOf({ title, section, outcome, severity, findings }: RuleReport, scenario: string): string[] {
  const name = escapeXml(`${title} (section ${section})`)
  const open = `    <testcase classname="${escapeXml(scenario)}" name="${name}"`
  if (outcome === 'passed') return [`${open}/>`]
  const text = escapeXml(
    findings
      .map(({ delivery, expected, actual }) => `${delivery}\nexpected: ${expected}\nactual: ${actual}`)
      .join('\n\n'),
  )
  const body =
    severity === 'warning' ? `<system-out>${text}</system-out>` : `<failure message="${name}">${text}</failure>`
  return [`${open}>`, `      ${body}`, '    </testcase>']
}

/** XML has no form for control characters. */
function escapeXml(text: string): string {
  const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text
    .replace(/(?!\n)\p{Cc}|[\ud800-\udfff\ufffe\uffff]/gu, '\uFFFD')
    .replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character)
}
