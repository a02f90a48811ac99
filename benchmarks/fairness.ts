import { type Contender, compare, type Figure, P99 } from './measure.ts'
import { startWorker, type Worker } from './processes.ts'
import { createRequests, HEALTH_REQUEST, pemKeys } from './scenarios.ts'
import type { LoadResult } from './worker-load.ts'
import type { ServerSetup } from './worker-server.ts'

/**
 * Compares how long a trivial route of the same process waits while orders are processed. The alternative signs on the
 * event loop.
 */
export async function fairness(rounds: number): Promise<Figure[]> {
  const keys = pemKeys('plain')
  const [load, ours, theirs] = [startWorker('worker-load'), startWorker('worker-server'), startWorker('worker-server')]
  const requests = createRequests('plain', 4_000)
  // Eight connections: of a few hundred requests, the p99 would be one of the slowest three.
  const probe = { connections: 8, request: HEALTH_REQUEST }
  const toContender = async (server: Worker, kind: ServerSetup['kind']): Promise<Contender> => {
    const port = await server.call<number>({ kind, keys } satisfies ServerSetup)
    return () => load.call<LoadResult>({ port, connections: 64, requests, probe })
  }
  try {
    const contenders = {
      ours: await toContender(ours, 'ours'),
      theirs: await toContender(theirs, 'hand-written, signs on the event loop'),
    }
    const measures = [{ ...P99, bar: { most: 0.5 } }]
    return await compare({ what: '/health under 64 connections of orders', ...contenders, measures }, rounds)
  } finally {
    for (const worker of [load, ours, theirs]) worker.stop()
  }
}
