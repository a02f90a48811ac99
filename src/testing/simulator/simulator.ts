import { type EncryptionOptions, resolveEncryptionOptions } from '../../crypto/envelope.ts'
import { secureRandomUUID } from '../../crypto/node.ts'
import {
  anyValue,
  assertFunction,
  assertText,
  flag,
  functionWithDefault,
  type OptionRules,
  positiveNumber,
  resolveOptions,
} from '../../option-rules.ts'
import { resolveUrl } from '../../protocol/endpoint-url.ts'
import { type Credentials, parseCredentials } from '../../secure-message/credentials.ts'
import { type Run, sleep } from './deliver.ts'
import { createRandom } from './random.ts'
import { type ConformanceReport, createFindings } from './report.ts'
import { runScenario } from './run-scenario.ts'
import type { RetryPlan, Scenario } from './scenario.ts'
import { SCENARIOS, type ScenarioName } from './scenarios.ts'

/** Options of {@link createSimulator}. */
export interface SimulatorOptions {
  /** The endpoint: a whole URL, or an origin, to which the path of the API is added. */
  readonly url: string | URL
  /**
   * The credentials of AlipayHK's side: its private keys, and the public key of the endpoint. The scenario `rotation` needs the
   * private keys 1 and 2.
   */
  readonly credentials: Credentials
  /** The path that is signed. @defaultValue path and query string of the URL */
  readonly signedPath?: string | undefined
  /** Allow an `http:` URL to another machine. @defaultValue false */
  readonly allowInsecureUrl?: boolean | undefined
  /** How messages are encrypted. @defaultValue AES-256/ECB under RSAES-PKCS1-v1_5 */
  readonly encryption?: EncryptionOptions | undefined
  /** Time limit of one request, in milliseconds. @defaultValue 10_000 */
  readonly timeoutMs?: number | undefined
  /** Time limit of a scenario, in milliseconds. Rules that are not tested by then are missing in the report. @defaultValue 300_000 */
  readonly maxRunMs?: number | undefined
  /** The clock, in milliseconds since the epoch. @defaultValue Date.now */
  readonly now?: (() => number) | undefined
  /** The pauses between retries: resolves after this time, or when the signal is aborted. @defaultValue a timer */
  readonly sleep?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined
  /** For the ids of a run. @defaultValue randomUUID of node:crypto */
  readonly randomUUID?: (() => string) | undefined
}

/** Simulates AlipayHK against an endpoint. */
export interface Simulator {
  /**
   * Runs a scenario, and reports which rules the endpoint keeps. Orders of different runs have different ids: an endpoint that
   * remembers the orders of the last run can be tested again.
   *
   * @param scenario The name of a built-in scenario, or your own scenario.
   * @param options `seed` gives the same order of deliveries and the same pauses again (default: random). `signal` stops the run.
   * @throws RangeError for an unknown name
   */
  readonly run: (
    scenario: ScenarioName | Scenario,
    options?: { readonly seed?: number | undefined; readonly signal?: AbortSignal | undefined },
  ) => Promise<ConformanceReport>
}

const DEFAULT_RETRY: RetryPlan = { retries: 8, baseDelayMs: 200, maxDelayMs: 5_000 }

const RULES_OF_OPTIONS = {
  url: { required: true, ...anyValue() },
  credentials: { required: true, assert: (value: unknown) => void parseCredentials(value as Credentials) },
  signedPath: { assert: assertText },
  allowInsecureUrl: flag(false),
  encryption: anyValue(),
  timeoutMs: positiveNumber(10_000, { isTimer: true }),
  maxRunMs: positiveNumber(300_000, { isTimer: true }),
  now: functionWithDefault(() => Date.now()),
  sleep: { assert: assertFunction },
  randomUUID: functionWithDefault<() => string>(secureRandomUUID),
} as const satisfies OptionRules<SimulatorOptions>

/**
 * Creates a simulator: it sends what AlipayHK, the network and attackers can send, and checks the responses. It only needs
 * HTTP, so the endpoint can be written in any language. For development and staging: it creates orders.
 *
 * @throws TypeError, RangeError when an option is wrong
 * @throws {@link ConfigurationError} for the credentials and keys
 * @see docs/protocol.md sections 1 to 7
 * @example
 * ```ts
 * import { createSimulator, createTestCredentials, formatReport } from 'alipayhk-order-sync/testing'
 *
 * export async function testEndpoint(url: string) {
 *   const simulator = createSimulator({ url, credentials: createTestCredentials().peer })
 *   const report = await simulator.run('smoke')
 *   if (!report.passed) throw new Error(formatReport(report))
 * }
 * ```
 */
export function createSimulator(options: SimulatorOptions): Simulator {
  const resolved = resolveOptions<SimulatorOptions, typeof RULES_OF_OPTIONS>(
    'createSimulator',
    RULES_OF_OPTIONS,
    options,
  )
  const url = resolveUrl(resolved)
  const path = resolved.signedPath ?? url.pathname + url.search
  const encryption = resolveEncryptionOptions(resolved.encryption)
  return {
    async run(named, { seed = randomSeed(resolved.randomUUID()), signal: stop } = {}) {
      const scenario = typeof named === 'string' ? scenarioOf(named) : named
      const { credentials, timeoutMs, now, sleep: pause = sleep } = resolved
      const signals = [AbortSignal.timeout(resolved.maxRunMs), ...(stop === undefined ? [] : [stop])]
      const findings = createFindings()
      const startedAt = now()
      const run: Run = {
        ...{ credentials, path, encryption, url, timeoutMs, findings, now, startedAt, sleep: pause },
        id: resolved.randomUUID().replaceAll('-', '').slice(0, 12),
        retry: scenario.retry ?? DEFAULT_RETRY,
        signal: AbortSignal.any(signals),
        random: createRandom(seed),
        counted: { requests: 0, responses: 0 },
      }
      const notes = await runScenario(scenario, run)
      const rules = findings.toReports()
      const aborted = run.signal.aborted
      const isBroken = rules.some(({ outcome, severity }) => outcome === 'failed' && severity === 'error')
      return {
        ...{ scenario: scenario.name, seed, url: url.origin + url.pathname },
        passed: !isBroken && !aborted && rules.length > 0,
        ...{ aborted, rules, notes, requests: run.counted.requests, durationMs: now() - startedAt },
      }
    },
  }
}

function scenarioOf(name: string): Scenario {
  if (Object.hasOwn(SCENARIOS, name)) return SCENARIOS[name as ScenarioName]
  throw new RangeError(`Unknown scenario. The scenarios are ${Object.keys(SCENARIOS).join(', ')}`)
}

const randomSeed = (uuid: string) => Number.parseInt(uuid.slice(0, 8), 16)
