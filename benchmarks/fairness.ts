import type { LoadResult } from './load.ts'
import { type Contender, duel, type Figure, P99 } from './measure.ts'
import { startWorker, type Worker } from './processes.ts'
import type { Serving } from './serving.ts'
import { healthRequests, keyTexts, requestsOverSocket } from './traffic.ts'

/** How long a route that does nothing waits while the same process serves orders, beside a server that signs on its main thread. */
export async function fairness(rounds: number): Promise<Figure[]> {
  const keys = keyTexts('plain')
  const [load, probe, ours, theirs] = [
    startWorker('load'),
    startWorker('load'),
    startWorker('serving'),
    startWorker('serving'),
  ]
  const requests = requestsOverSocket('plain', 2_000)
  const run = async (server: Worker, kind: Serving['kind']): Promise<Contender> => {
    const port = await server.ask<number>({ kind, keys } satisfies Serving)
    return async () => {
      const loading = load.ask<LoadResult>({ port, connections: 64, requests })
      // One after the other, for as long as the load lasts.
      const probing = probe.ask<LoadResult>({ port, connections: 1, requests: healthRequests(100) })
      const [, probed] = await Promise.all([loading, probing])
      return probed
    }
  }
  try {
    const contenders = {
      ours: await run(ours, 'ours'),
      theirs: await run(theirs, 'by hand, signing on the main thread'),
    }
    const measures = [{ ...P99, bar: { most: 0.5 } }]
    return await duel({ what: '/health under 64 connections of orders', ...contenders, measures }, rounds)
  } finally {
    for (const worker of [load, probe, ours, theirs]) worker.end()
  }
}
