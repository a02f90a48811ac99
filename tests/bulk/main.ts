/**
 * Sends many orders with `send --jsonl` to `serve`, and interrupts it three times: SIGINT, SIGKILL, SIGINT.
 *
 *     npm run bulk -- --orders 100000 [--concurrency 10]
 *
 * It fails when an order is not processed, is processed twice or out of order, or when the memory of `send` grows.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { type Leg, runInterrupted } from './interrupted.ts'

const { values } = parseArgs({
  options: { orders: { type: 'string', default: '100000' }, concurrency: { type: 'string', default: '10' } },
})
const [orders, concurrency] = [Number(values.orders), Number(values.concurrency)]
if (!(orders >= 100 && concurrency >= 1)) throw new Error('--orders must be at least 100, --concurrency at least 1')

/** The memory may differ by this much between the second and the last quarter of a run: the garbage collector decides. */
const MAX_GROWTH_MIB = 30

/** Until then, the heap is still on its way to its normal size. */
const MIN_SECONDS = 20

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0

/** Resident memory, in MiB: in the second quarter of a run, in the last one, and the most. */
function memoryOf({ memory }: Leg) {
  const quarter = Math.ceil(memory.length / 4)
  return {
    first: median(memory.slice(quarter, 2 * quarter)),
    last: median(memory.slice(-quarter)),
    most: Math.max(0, ...memory),
  }
}

function show(leg: Leg): void {
  const { first, last, most } = memoryOf(leg)
  const end = leg.signal ?? 'the end'
  console.log(
    `until ${end}: ${leg.seconds.toFixed(1)} s, memory ${first.toFixed(0)} → ${last.toFixed(0)} MiB, at most ${most.toFixed(0)} MiB`,
  )
  console.log(leg.stderr.trim().replace(/^/gm, '  '))
}

const folder = mkdtempSync(join(tmpdir(), 'order-sync-bulk-'))
try {
  const { legs, processed, arrivals, repeated } = await runInterrupted({
    folder,
    orders,
    concurrency,
    interruptions: [
      { after: Math.floor(orders * 0.25), signal: 'SIGINT' },
      { after: Math.floor(orders * 0.5), signal: 'SIGKILL' },
      { after: Math.floor(orders * 0.75), signal: 'SIGINT' },
    ],
    onLeg: show,
  })
  const twice = [...processed.values()].filter((times) => times > 1).length
  const unordered = [...arrivals.values()].filter((times) =>
    times.some((time, index) => time < (times[index - 1] ?? 0)),
  ).length
  const others = repeated.filter(({ event }) => event !== 'replay').length
  console.log(
    `processed ${processed.size} of ${orders} orders, ${twice} twice, ${unordered} out of order; sent again with the same requestId: ${repeated.length - others}; with another one: ${others}`,
  )
  const grows = legs.some((leg) => {
    const { first, last } = memoryOf(leg)
    return leg.seconds > MIN_SECONDS && last > first + MAX_GROWTH_MIB
  })
  if (grows) console.log('the memory grows')
  const isRight = processed.size === orders && twice + unordered + others === 0 && repeated.length <= concurrency
  process.exitCode = isRight && !grows ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
