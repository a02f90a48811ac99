import { RULES, type Rule, type RuleId, ruleOf } from './rules.ts'

/** The findings of a scenario about an endpoint. It has no key, no signature and no body. */
export interface ConformanceReport {
  readonly scenario: string
  /** Gives the same order of deliveries and the same pauses again. */
  readonly seed: number
  readonly url: string
  /** Whether no rule with the severity `error` is broken. */
  readonly passed: boolean
  /** Whether the run was stopped before its end. */
  readonly aborted: boolean
  /** Every rule that was tested, in the order of docs/simulator.md. */
  readonly rules: readonly RuleReport[]
  /** What could not be tested, as sentences. */
  readonly notes: readonly string[]
  /** How many requests were sent. */
  readonly requests: number
  readonly durationMs: number
}

/** One rule, and its result. */
export interface RuleReport extends Rule {
  readonly rule: RuleId
  readonly outcome: 'passed' | 'failed'
  /** How often it was tested. */
  readonly checks: number
  /** How often it was broken. */
  readonly failures: number
  /** The first failures, at most 5. */
  readonly findings: readonly Finding[]
}

/** One failure. */
export interface Finding {
  /** Which delivery: `order "late", event 2, attempt 1`. */
  readonly delivery: string
  readonly expected: string
  readonly actual: string
}

const MAX_FINDINGS = 5
const MAX_TEXT = 600

/** Collects findings, up to limits. */
export function createFindings() {
  const rules = new Map<RuleId, { checks: number; failures: number; findings: Finding[] }>()
  const entryOf = (rule: RuleId) => {
    const entry = rules.get(rule) ?? { checks: 0, failures: 0, findings: [] }
    rules.set(rule, entry)
    return entry
  }
  return {
    pass: (rule: RuleId) => void entryOf(rule).checks++,
    fail(rule: RuleId, { delivery, expected, actual }: Finding) {
      const entry = entryOf(rule)
      entry.checks++
      entry.failures++
      if (entry.findings.length < MAX_FINDINGS) {
        entry.findings.push({ delivery, expected, actual: shorten(actual) })
      }
    },
    toReports: (): RuleReport[] =>
      (Object.keys(RULES) as RuleId[]).flatMap((rule) => {
        const entry = rules.get(rule)
        if (entry === undefined) return []
        return [{ rule, ...ruleOf(rule), outcome: entry.failures > 0 ? 'failed' : 'passed', ...entry }] as const
      }),
  }
}

export type Findings = ReturnType<typeof createFindings>

/** Texts of the endpoint are cut, and control characters replaced. */
function shorten(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '\uFFFD').slice(0, MAX_TEXT)
}
