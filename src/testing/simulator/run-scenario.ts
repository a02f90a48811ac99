import { parseCredentials } from '../../secure-message/credentials.ts'
import { sendHalf } from './connection.ts'
import { deliver, nameOf, type Outcome, type Run } from './deliver.ts'
import { contentOf, orderOf } from './order-content.ts'
import { shuffled } from './random.ts'
import type { Alike, Delivery, Expectation, HalfSent, Scenario, SimulatedFault, Step, Together } from './scenario.ts'
import { signRequest } from './signed-request.ts'

/** The `orderId` of each order, by its name: that of the last event that was processed. */
type OrderIds = Map<string, string>

/** Runs a scenario. What it finds is in `run.findings`; the notes say what could not be tested. */
export async function runScenario({ steps }: Scenario, run: Run): Promise<string[]> {
  const orderIds: OrderIds = new Map()
  const notes = new Set<string>()
  const open: { readonly close: () => void }[] = []
  try {
    for (const step of steps) {
      if (run.signal.aborted) break
      const missing = missingKey(step, run)
      if (missing === undefined) await runStep(step, run, { orderIds, open })
      else notes.add(missing)
      if (run.counted.requests > 0 && run.counted.responses === 0 && step.kind !== 'half-sent') {
        notes.add('The endpoint did not respond to any request, so the rest of the scenario was skipped.')
        break
      }
    }
  } finally {
    for (const { close } of open) close()
  }
  return [...notes]
}

interface State {
  readonly orderIds: OrderIds
  readonly open: { readonly close: () => void }[]
}

async function runStep(step: Step, run: Run, state: State): Promise<void> {
  switch (step.kind) {
    case 'deliver':
      return await runDelivery(step, run, state)
    case 'together':
      return await runTogether(step, run, state)
    case 'alike':
      return await runAlike(step, run)
    case 'half-sent':
      return void state.open.push(await openHalf(step, run))
    case 'pause':
      return await run.sleep(step.ms, run.signal)
  }
}

async function runDelivery(delivery: Delivery, run: Run, { orderIds }: State): Promise<void> {
  const copies = Array.from({ length: delivery.copies ?? 1 }, () => deliver(delivery, run))
  const outcomes = await Promise.all(copies)
  // All copies have the orderId of the first one.
  const known = orderIds.get(delivery.order)
  const first = outcomes.find(({ response }) => response?.result.resultStatus === 'S')?.response?.orderId
  const expectedId = delivery.expect === 'same-order-id' ? known : outcomes.length > 1 ? first : undefined
  for (const outcome of outcomes) checkOutcome(delivery, outcome, run, expectedId)
  if (first !== undefined && delivery.expect !== 'refused' && (known === undefined || delivery.expect === 'success')) {
    orderIds.set(delivery.order, first)
  }
}

async function runTogether({ deliveries, shuffle = false }: Together, run: Run, state: State): Promise<void> {
  if (!shuffle) return void (await Promise.all(deliveries.map((delivery) => runDelivery(delivery, run, state))))
  for (const delivery of shuffled(deliveries, run.random)) await runDelivery(delivery, run, state)
}

async function runAlike({ rule, deliveries }: Alike, run: Run): Promise<void> {
  const [first, ...others] = await Promise.all(deliveries.map((delivery) => deliver(delivery, run)))
  for (const [index, other] of others.entries()) {
    const delivery = deliveries[index + 1]
    if (first === undefined || delivery === undefined) continue
    const expected = `the same as for ${deliveries.slice(0, 1).map(nameOf).join()}: ${first.text}`
    if (other.text === first.text) run.findings.pass(rule)
    else run.findings.fail(rule, { delivery: nameOf(delivery), expected, actual: other.text })
  }
}

async function openHalf({ connections }: HalfSent, run: Run) {
  const delivery = { kind: 'deliver', rule: 'half-sent', order: 'half', expect: 'refused' } as const
  const request = await signRequest(delivery, contentOf(orderOf(delivery, run)), run, run.now())
  run.counted.requests += connections
  return sendHalf(run.url, request, connections)
}

/** Compares an outcome with what the delivery expects. */
function checkOutcome(delivery: Delivery, outcome: Outcome, run: Run, expectedId: string | undefined): void {
  if (run.signal.aborted) return
  const name = `${nameOf(delivery)}, attempt ${outcome.attempts}`
  const { isRight, actual = outcome.text } = compare(delivery, outcome, expectedId)
  if (isRight) run.findings.pass(delivery.rule)
  else run.findings.fail(delivery.rule, { delivery: name, expected: EXPECTED[delivery.expect], actual })
  if (delivery.expect === 'refused') checkRefusal(delivery, outcome, run, name)
}

function compare(
  { expect }: Delivery,
  { response, status = 0 }: Outcome,
  expectedId: string | undefined,
): { readonly isRight: boolean; readonly actual?: string } {
  const { resultStatus, resultCode } = response?.result ?? {}
  if (expect === 'refused') return { isRight: resultStatus !== 'S' }
  // HTTP 500 means "try later", with any body.
  if (expect === 'invalid') return { isRight: resultStatus === 'F' && status < 500 }
  if (expect === 'conflict') return { isRight: resultStatus === 'F' && resultCode === 'REPEAT_REQ_INCONSISTENT' }
  if (resultStatus !== 'S') return { isRight: false }
  const isRight = expectedId === undefined || response?.orderId === expectedId
  return { isRight, actual: 'S with another orderId: the event was processed again' }
}

const EXPECTED: Readonly<Record<Expectation, string>> = {
  success: 'the status S',
  'same-order-id': 'the status S, with the orderId of the first response',
  conflict: 'the status F, with the code REPEAT_REQ_INCONSISTENT',
  invalid: 'the status F, and no HTTP status of 500 or more',
  refused: 'a refusal',
}

/** Faults of requests whose signature verifies. */
const SIGNED_FAULTS: ReadonlySet<SimulatedFault> = new Set([
  'ciphertext',
  'symmetric-key',
  'no-encrypt',
  'method',
  'content-type',
])

/** How a request that did not verify should be rejected. No response is a rejection too. */
function checkRefusal(
  { tamper }: Delivery,
  { status, isSigned, response, text }: Outcome,
  run: Run,
  name: string,
): void {
  if (status === undefined || tamper === undefined || SIGNED_FAULTS.has(tamper)) return
  if (response?.result.resultStatus === 'S') return
  const report = (rule: 'refusal-unsigned' | 'refusal-status', isRight: boolean, expected: string) => {
    if (isRight) run.findings.pass(rule)
    else run.findings.fail(rule, { delivery: name, expected, actual: text })
  }
  report('refusal-unsigned', !isSigned, 'no signature')
  report('refusal-status', status >= 400 && status < 500, 'an HTTP status from 400 to 499')
}

/** Why a step cannot run with these credentials. */
function missingKey(step: Step, { credentials }: Run): string | undefined {
  const deliveries = 'deliveries' in step ? step.deliveries : step.kind === 'deliver' ? [step] : []
  const { encryptionKey } = parseCredentials(credentials)
  for (const { keyVersion, encrypt } of deliveries) {
    if (encrypt && encryptionKey === undefined) {
      return 'Not tested: encrypted orders. Add an RSA key of the endpoint to the peerPublicKeys of the sender.'
    }
    if (keyVersion !== undefined && keyVersion !== 'none' && !Object.hasOwn(credentials.privateKeys, keyVersion)) {
      return `Not tested: signatures of key version ${keyVersion}. Give the sender that private key.`
    }
  }
  return undefined
}
