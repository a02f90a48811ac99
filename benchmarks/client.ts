import { PATH } from '../tests/support/messages.ts'
import { type Contender, compare, type Figure, type Sample, SPEED } from './measure.ts'
import { startWorker, type Worker } from './processes.ts'
import { pemKeys } from './scenarios.ts'
import type { ClientSetup } from './worker-client.ts'

/** Processes of each side. V8 compiles each process differently, and two processes differ by more than the measured difference. */
const PROCESSES = 4

/** Compares the client with hand-written `fetch` and crypto. The gateway is another process. */
export async function client(rounds: number): Promise<Figure[]> {
  const keys = pemKeys('plain')
  const gateway = startWorker('worker-gateway')
  const startClients = (): Worker[] => Array.from({ length: PROCESSES }, () => startWorker('worker-client'))
  // A process that waits longer starts slower, by up to a quarter with one order at a time. So all wait the same time.
  const [ours, theirs, again] = [startClients(), startClients(), startClients()]
  try {
    const url = `http://127.0.0.1:${await gateway.call<number>(keys)}${PATH}`
    const setUp = (worker: Worker, kind: ClientSetup['kind']) => worker.call({ kind, url, keys } satisfies ClientSetup)
    for (const worker of ours) await setUp(worker, 'ours')
    for (const worker of [...theirs, ...again]) await setUp(worker, 'hand-written')
    const figures: Figure[] = []
    // The largest first: with one order at a time, V8 needs a minute to compile everything.
    for (const concurrency of [64, 16, 1]) {
      const contenders = {
        ours: average(ours, concurrency),
        theirs: average(theirs, concurrency),
        again: average(again, concurrency),
      }
      const what = concurrency === 1 ? '1 order at a time' : `${concurrency} concurrent orders`
      const measures = [{ ...SPEED, bar: { least: 0.9 } }]
      figures.push(...(await compare({ what, ...contenders, measures }, rounds)))
    }
    return figures
  } finally {
    for (const worker of [gateway, ...ours, ...theirs, ...again]) worker.stop()
  }
}

/** Runs the processes of one side one after the other, and returns the average. */
function average(workers: readonly Worker[], concurrency: number): Contender {
  return async () => {
    let perSecond = 0
    for (const worker of workers) perSecond += (await worker.call<Sample>(concurrency)).perSecond
    return { perSecond: perSecond / workers.length }
  }
}
