import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { createConsole } from '../src/console/console.ts'
import { createOrderSyncHandler } from '../src/server/handler.ts'
import { memoryStore } from '../src/stores/memory.ts'
import { merchantCredentials, NOW, order, request, type TestRequest } from '../tests/support/messages.ts'
import { type Contender, compare, type Figure, type Measure } from './measure.ts'

/** Orders that are signed before the measurement. Each one is new to the handler on its first delivery. */
const REQUESTS = 2_000

/** Compares a handler with a console and an open page, and one without. The page runs in a separate process, like a browser. */
export async function console(rounds: number): Promise<Figure[]> {
  const requests = Array.from({ length: REQUESTS }, (_, index) =>
    request({ message: order({ requestId: `bench${index}`, merchantBizNo: `B-${index}` }) }),
  )
  const [observed, alone, again] = [newHandler(), newHandler(), newHandler()]
  const page = createConsole({ handler: observed })
  const { url, close } = await page.listen()
  const reader = spawn(process.execPath, ['-e', READER, `${url}api/stream`], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(reader.stdout, 'data')
  const figures: Figure[] = []
  for (const [pace, run] of [
    ['10,000 a minute', atRate],
    ['at full speed', atFullSpeed],
  ] as const) {
    const contender = (handler: typeof alone) => measureProcessorTime(run, nextOf(requests, handler))
    const comparison = {
      what: `an order, with the console and an open page, and without: ${pace}`,
      ours: contender(observed),
      theirs: contender(alone),
      again: contender(again),
      measures: [PROCESSOR_TIME],
    }
    figures.push(...(await compare(comparison, rounds)))
  }
  reader.kill()
  page.close()
  await close()
  return figures
}

/** Processor time of this process and its threads, without the page and other programs. */
const PROCESSOR_TIME: Measure = {
  unit: 'µs of processor time',
  of: ({ perSecond }) => 1_000_000 / perSecond,
  bar: { most: 1.03 },
}

type Operation = () => Promise<unknown>

/** Runs an operation many times, and returns how many. */
type Run = (operation: Operation) => Promise<number>

function measureProcessorTime(run: Run, operation: Operation): Contender {
  return async () => {
    const before = process.cpuUsage()
    const count = await run(operation)
    const { user, system } = process.cpuUsage(before)
    return { perSecond: (count * 1_000_000) / (user + system) }
  }
}

const IN_FLIGHT = 8

async function atFullSpeed(operation: Operation): Promise<number> {
  const each = 75
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      for (let done = 0; done < each; done++) await operation()
    }),
  )
  return each * IN_FLIGHT
}

/** In groups: a timer is not exact to the millisecond. */
const [GROUPS, GROUP, GROUP_MS] = [60, 5, 30]

async function atRate(operation: Operation): Promise<number> {
  const startedAt = performance.now()
  const running: Promise<unknown>[] = []
  for (let group = 1; group <= GROUPS; group++) {
    for (let one = 0; one < GROUP; one++) running.push(operation())
    await setTimeout(startedAt + group * GROUP_MS - performance.now())
  }
  await Promise.all(running)
  return GROUPS * GROUP
}

/** Reads the stream like a page, and reports when it has begun. */
const READER = `fetch(process.argv[1]).then(async ({ body }) => {
  console.log('open')
  for await (const chunk of body) chunk.length
}).catch(() => {})`

function newHandler() {
  return createOrderSyncHandler({
    credentials: merchantCredentials(),
    store: memoryStore({ now: () => NOW }),
    now: () => NOW,
    onOrder: () => ({ orderId: 'A-1' }),
    onEvent: () => {},
  })
}

function nextOf(requests: readonly TestRequest[], handler: ReturnType<typeof newHandler>) {
  let at = 0
  return async () => {
    const next = requests[at++ % requests.length]
    if (next !== undefined) await handler(next)
  }
}
