import { PATH } from '../tests/support/messages.ts'
import { type Contender, duel, type Figure, type Sample, SPEED } from './measure.ts'
import { startWorker, type Worker } from './processes.ts'
import type { Syncing } from './syncing.ts'
import { keyTexts } from './traffic.ts'

/** Processes of either side, in turns: V8 compiles each a little differently, which makes more than what is compared. */
const PROCESSES = 4

/** Outbound syncs, beside fetch with the same crypto written by hand; the peer is another process. */
export async function client(rounds: number): Promise<Figure[]> {
  const keys = keyTexts('plain')
  const peer = startWorker('answering')
  const workers = (): Worker[] => Array.from({ length: PROCESSES }, () => startWorker('syncing'))
  // What has paused for longer begins colder, by up to a fourth for one at a time: each process pauses as long as any other.
  const [ours, theirs, again] = [workers(), workers(), workers()]
  try {
    const url = `http://127.0.0.1:${await peer.ask<number>(keys)}${PATH}`
    for (const worker of ours) await worker.ask({ kind: 'ours', url, keys } satisfies Syncing)
    for (const worker of [...theirs, ...again]) await worker.ask({ kind: 'by hand', url, keys } satisfies Syncing)
    const figures: Figure[] = []
    // The most first: one at a time, it takes a minute until all that is run is compiled for good.
    for (const atOnce of [64, 16, 1]) {
      const contenders = {
        ours: inTurns(ours, atOnce),
        theirs: inTurns(theirs, atOnce),
        again: inTurns(again, atOnce),
      }
      const measures = [{ ...SPEED, bar: { least: 0.92 } }]
      figures.push(...(await duel({ what: `${atOnce} at once`, ...contenders, measures }, rounds)))
    }
    return figures
  } finally {
    for (const worker of [peer, ...ours, ...theirs, ...again]) worker.end()
  }
}

/** A round is one of each. */
function inTurns(workers: readonly Worker[], atOnce: number): Contender {
  return async () => {
    let perSecond = 0
    for (const worker of workers) perSecond += (await worker.ask<Sample>(atOnce)).perSecond
    return { perSecond: perSecond / workers.length }
  }
}
