import type { LoadResult } from './load.ts'
import { type Contender, duel, type Figure, P99 } from './measure.ts'
import { startWorker, type Worker } from './processes.ts'
import type { Serving } from './serving.ts'
import { HEALTH_REQUEST, keyTexts, requestsOverSocket } from './traffic.ts'

/** How long a route that does nothing waits while the same process serves orders, beside a server that signs on its main thread. */
export async function fairness(rounds: number): Promise<Figure[]> {
  const keys = keyTexts('plain')
  const [load, ours, theirs] = [startWorker('load'), startWorker('serving'), startWorker('serving')]
  const requests = requestsOverSocket('plain', 4_000)
  // Several, because of a few hundred requests the p99 is one of the slowest three.
  const probe = { connections: 8, request: HEALTH_REQUEST }
  const run = async (server: Worker, kind: Serving['kind']): Promise<Contender> => {
    const port = await server.ask<number>({ kind, keys } satisfies Serving)
    return () => load.ask<LoadResult>({ port, connections: 64, requests, probe })
  }
  try {
    const contenders = {
      ours: await run(ours, 'ours'),
      theirs: await run(theirs, 'by hand, signing on the main thread'),
    }
    const measures = [{ ...P99, bar: { most: 0.5 } }]
    return await duel({ what: '/health under 64 connections of orders', ...contenders, measures }, rounds)
  } finally {
    for (const worker of [load, ours, theirs]) worker.end()
  }
}
