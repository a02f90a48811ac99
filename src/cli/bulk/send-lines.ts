import process from 'node:process'
import type { OrderInput, OrderSyncClient } from 'alipayhk-order-sync'
import { printJson, printToStderr } from '../output.ts'
import { UsageError } from '../usage-error.ts'
import { classify } from './classify.ts'
import { assertDifferentFiles, openFailuresFile } from './failures-file.ts'
import { type Input, openInput } from './input.ts'
import { createMemoryJournal, type Journal, openJournal, type Route } from './journal.ts'
import { parseOrderLine } from './order-line.ts'
import { startProgress } from './progress.ts'
import { createRecorder, type KnownLine } from './recorder.ts'
import { createStop, type Stop } from './stop.ts'
import { describeTally, summarize } from './summary.ts'
import { createTally, exitStatusOf, failedIn, finishedIn } from './tally.ts'

/** How a file of orders is sent. */
export interface BulkOptions {
  /** The file, or `-`. */
  readonly orders: string
  readonly journal: string | undefined
  readonly failures: string | undefined
  readonly concurrency: number
  /** Stop after this many undelivered orders in a row. 0: never. */
  readonly stopAfter: number
  readonly allowFractions: boolean
}

/** Sends the orders of a file, one on each line, and resolves to the exit status. */
export async function sendLines(
  client: Pick<OrderSyncClient, 'syncOrders'>,
  route: Route,
  options: BulkOptions,
): Promise<number> {
  assertDifferentFiles({
    'The file of orders': options.orders,
    '--journal': options.journal,
    '--failures': options.failures,
  })
  const input = openInput(options.orders)
  const journal = options.journal === undefined ? createMemoryJournal() : await openJournal(options.journal, route)
  const failures = openFailuresFile(options.failures)
  const startedAt = performance.now()
  const tally = createTally()
  const progress = startProgress({
    stream: process.stderr,
    now: () => performance.now(),
    terminal: process.env['TERM'],
    read: () => ({
      orders: finishedIn(tally),
      failed: failedIn(tally),
      bytes: tally.bytes,
      totalBytes: input.totalBytes,
    }),
  })
  const print = (text: string) => {
    progress.clear()
    printToStderr(text)
  }
  const stop = createStop(input.stop, print)
  let isComplete = false
  try {
    const recorder = createRecorder({ journal, failures, tally, print })
    await sendAll({ client, input, journal, recorder, stop, print }, options)
    isComplete = !stop.isStopping()
  } finally {
    stop.release()
    progress.stop()
    journal.close()
    const hasFailures = failures.close()
    const seconds = (performance.now() - startedAt) / 1_000
    const hasJournal = options.journal !== undefined
    const named = hasFailures ? options.failures : undefined
    printToStderr(describeTally(tally, { seconds, isComplete, hasJournal, failures: named }))
    // The exit status is the verdict, even if nothing reads the output.
    await printJson(summarize(tally, { seconds, isComplete })).catch(() => {})
  }
  return stop.exitStatus() ?? exitStatusOf(tally)
}

interface Sending {
  readonly client: Pick<OrderSyncClient, 'syncOrders'>
  readonly input: Input
  readonly journal: Journal
  readonly recorder: ReturnType<typeof createRecorder>
  readonly stop: Stop
  readonly print: (text: string) => void
}

async function sendAll(
  { client, input, journal, recorder, stop, print }: Sending,
  { concurrency, stopAfter, allowFractions }: BulkOptions,
): Promise<void> {
  const inFlight = new WeakMap<object, KnownLine>()

  /** The orders without an outcome. */
  async function* undecided(): AsyncGenerator<OrderInput, undefined> {
    for await (const line of input.lines) {
      const known = recorder.identify(line)
      const decision = journal.ledger.find(known.number, known.check)
      if (decision === 'changed') throw changedFile(known.number)
      if (decision !== undefined) {
        recorder.skip(known, decision)
        continue
      }
      const parsed = parseOrderLine(line.bytes, allowFractions)
      if ('issue' in parsed) {
        const { code, message } = parsed.issue
        recorder.settle(known, undefined, { outcome: 'invalid', code, message })
      } else {
        const order = { requestId: known.requestId, ...parsed.order }
        inFlight.set(order, known)
        yield order
      }
    }
  }

  const outcomes = client.syncOrders(undecided(), { concurrency, signal: stop.aborted })
  try {
    for await (const outcome of outcomes) {
      const line = inFlight.get(outcome.order)
      if (line === undefined) continue
      recorder.settle(line, outcome.order, classify(outcome, stop.aborted.aborted))
      if (stopAfter === 0 || recorder.undeliveredInARow() < stopAfter || stop.isStopping()) continue
      print(`The last ${stopAfter} orders could not be delivered. Stopped sending.`)
      stop.stop()
    }
  } catch (error) {
    // After an abort, the outcome of each order is recorded already.
    if (error !== stop.aborted.reason) throw error
  }
}

function changedFile(line: number): UsageError {
  return new UsageError(
    `Line ${line} differs from the line that was sent: the file has changed. Restore it, or send the rest with another journal.`,
  )
}
