import { setTimeout as pause } from 'node:timers/promises'
import { retryDelay } from '../../policy/retry.ts'
import type { OrderSyncResponse } from '../../result-codes.ts'
import { type ReceivedResponse, type Silence, send } from './connection.ts'
import { contentOf, orderOf } from './order-content.ts'
import { type ReadResponse, readResponse } from './read-response.ts'
import type { Findings } from './report.ts'
import type { Delivery, RetryPlan } from './scenario.ts'
import { type Sender, signRequest } from './signed-request.ts'

/** One run of a scenario. */
export interface Run extends Sender {
  /** Part of every id: two runs have no order in common. */
  readonly id: string
  readonly startedAt: number
  readonly url: URL
  readonly retry: RetryPlan
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly findings: Findings
  readonly now: () => number
  readonly random: () => number
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly counted: { requests: number; responses: number }
}

/** How a delivery ended, after its retries. */
export interface Outcome {
  /** Absent: silence. */
  readonly status?: number | undefined
  readonly isSigned: boolean
  readonly response?: OrderSyncResponse | undefined
  /** The outcome as text. */
  readonly text: string
  readonly attempts: number
}

export const sleep = async (ms: number, signal: AbortSignal): Promise<void> => {
  // An abort ends the pause; the caller looks at the signal.
  await pause(ms, undefined, { signal }).catch(() => {})
}

/** Sends a delivery until it is decided, as AlipayHK does. */
export async function deliver(delivery: Delivery, run: Run): Promise<Outcome> {
  const { retry, signal } = run
  let outcome = await attempt(delivery, run, 1)
  const mayRetry = delivery.expect !== 'refused' && !isUnreachable(outcome, run)
  for (let attempts = 2; mayRetry && attempts <= retry.retries + 1 && !isDecided(outcome); attempts++) {
    await run.sleep(retryDelay(attempts - 1, retry, run.random()), signal)
    if (signal.aborted) return outcome
    outcome = await attempt({ ...delivery, hangUp: false }, run, attempts)
  }
  return outcome
}

/** No server listens: retries cannot succeed. */
const isUnreachable = ({ text }: Outcome, { counted }: Run) =>
  counted.responses === 0 && /ECONNREFUSED|ENOTFOUND|EAI_AGAIN/.test(text)

/** `S` and `F` are final, and so is an HTTP status that does not mean "retry later". */
function isDecided({ status, response }: Outcome): boolean {
  if (status === undefined || status >= 500 || status === 429 || status === 408) return false
  return response === undefined || response.result.resultStatus === 'S' || response.result.resultStatus === 'F'
}

async function attempt(delivery: Delivery, run: Run, attempts: number): Promise<Outcome> {
  const { url, timeoutMs, signal, findings, counted } = run
  counted.requests++
  const plaintext = contentOf(orderOf(delivery, run), delivery.content)
  const request = await signRequest(delivery, plaintext, run, run.now())
  const received = await send(url, request, { timeoutMs, signal, hangUp: delivery.hangUp })
  const name = `${nameOf(delivery)}, attempt ${attempts}`
  if ('silence' in received) return { isSigned: false, text: reportSilence(received, { name, run }), attempts }
  counted.responses++
  findings.pass('response-in-time')
  const read = await readResponse(received, {
    ...{ credentials: run.credentials, path: run.path, encryption: run.encryption },
    isEncrypted: request.headers['Encrypt'] !== undefined,
    now: run.now(),
  })
  // A forged request must not get a signed response.
  if (isGenuine(delivery)) reportProblems(read, findings, name)
  const { status, isSigned, response } = read
  return { status, isSigned, response, text: describe(received, read), attempts }
}

/** Whether the signature of the request is right, so that the rules for responses apply. */
function isGenuine({ tamper }: Delivery): boolean {
  return tamper === undefined || tamper === 'ciphertext'
}

function reportSilence(
  { silence, code }: Silence,
  { name, run }: { readonly name: string; readonly run: Run },
): string {
  if (silence === 'timeout' && !run.signal.aborted) {
    const expected = `a response within ${run.timeoutMs} ms`
    run.findings.fail('response-in-time', { delivery: name, expected, actual: 'no response' })
  }
  return silence === 'connection'
    ? `The connection failed${code === undefined ? '' : ` (${code})`}.`
    : `${TEXTS[silence]}`
}

const TEXTS = {
  timeout: 'No response came in time.',
  'too large': 'The response is larger than 1 MiB.',
  'hung up': 'The connection was closed before the response.',
} as const

const EXPECTED = {
  'response-signed': 'a signature that verifies',
  'response-client-id': 'the Client-Id of the request',
  'response-time': 'the time of the response',
  'response-content-type': 'application/json; charset=UTF-8',
  'response-encrypted': 'encryption as in the request',
  'response-body': 'a result, and an orderId with S',
  'response-status': 'HTTP 200',
} as const

/** Rejections with a specific HTTP status are checked by the rule that was tested. */
function reportProblems({ status, isSigned, problems }: ReadResponse, findings: Findings, delivery: string): void {
  if (status !== 200 && !isSigned) return
  const isBroken = (rule: string) => problems.some((problem) => problem.rule === rule)
  for (const rule of Object.keys(EXPECTED) as (keyof typeof EXPECTED)[]) {
    const expected = EXPECTED[rule]
    if (rule === 'response-status') {
      if (status === 200) findings.pass(rule)
      else findings.fail(rule, { delivery, expected, actual: `HTTP ${status}` })
    } else if (!isBroken(rule)) findings.pass(rule)
    else {
      const actual = problems.flatMap((problem) => (problem.rule === rule ? [problem.actual] : [])).join(' ')
      findings.fail(rule, { delivery, expected, actual })
    }
  }
}

function describe({ status, body }: ReceivedResponse, { response, isSigned }: ReadResponse): string {
  const signed = isSigned ? 'signed' : 'unsigned'
  if (response !== undefined) {
    const { resultCode, resultStatus } = response.result
    return `HTTP ${status}, ${resultStatus}, ${resultCode}, ${signed}`
  }
  const kind = /^\s*</.test(Buffer.from(body.subarray(0, 100)).toString('latin1')) ? 'HTML or XML' : 'no result'
  return `HTTP ${status}, ${kind} in ${body.length} bytes, ${signed}`
}

/** Names a delivery in a report. */
export function nameOf({ order, event = 0, tamper, content, encrypt, hangUp }: Delivery): string {
  const details = [
    `order "${order}", event ${event}`,
    ...(encrypt ? ['encrypted'] : []),
    ...(content === undefined ? [] : [content]),
    ...(tamper === undefined ? [] : [`fault "${tamper}"`]),
    ...(hangUp ? ['response lost'] : []),
  ]
  return details.join(', ')
}
