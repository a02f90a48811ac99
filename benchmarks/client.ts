import { PATH } from '../tests/support/exchange.ts'
import { type Contender, duel, type Figure, type Sample, SPEED } from './measure.ts'
import { startWorker } from './processes.ts'
import type { Syncing } from './syncing.ts'
import { keyTexts } from './traffic.ts'

/** Outbound syncs, beside fetch with the same crypto written by hand; either is a process of its own, and so is the peer. */
export async function client(rounds: number): Promise<Figure[]> {
  const keys = keyTexts('plain')
  const [peer, ours, theirs] = [startWorker('answering'), startWorker('syncing'), startWorker('syncing')]
  try {
    const url = `http://127.0.0.1:${await peer.ask<number>(keys)}${PATH}`
    await ours.ask({ kind: 'ours', url, keys } satisfies Syncing)
    await theirs.ask({ kind: 'by hand', url, keys } satisfies Syncing)
    const figures: Figure[] = []
    for (const atOnce of [1, 16, 64]) {
      const syncing =
        (worker: typeof ours): Contender =>
        () =>
          worker.ask<Sample>(atOnce)
      const contenders = { ours: syncing(ours), theirs: syncing(theirs) }
      const measures = [{ ...SPEED, bar: { least: 0.92 } }]
      figures.push(...(await duel({ what: `${atOnce} at once`, ...contenders, measures }, rounds)))
    }
    return figures
  } finally {
    for (const worker of [peer, ours, theirs]) worker.end()
  }
}
