import type { LoadResult } from './load.ts'
import { duel, type Figure, type Measure, P99, SPEED } from './measure.ts'
import { startWorker, type Worker } from './processes.ts'
import type { Serving } from './serving.ts'
import { keyTexts, requestsOverSocket, SCENARIOS, type Scenario } from './traffic.ts'

const BARS: Readonly<Partial<Record<Scenario, readonly Measure[]>>> = {
  plain: [
    { ...SPEED, bar: { least: 0.93 } },
    { ...P99, bar: { most: 1.15 } },
  ],
  encrypted: [{ ...SPEED, bar: { least: 1.5 } }, P99],
}

/** Requests over real sockets, from another process, against a server that was written by hand. */
export async function server(rounds: number): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const scenario of SCENARIOS) {
    // A few rounds of one connection tell nothing.
    for (const connections of rounds < 5 ? [64] : [1, 64]) {
      const measures = connections === 64 ? (BARS[scenario] ?? [SPEED, P99]) : [SPEED, P99]
      figures.push(...(await against('by hand', { scenario, connections, measures, rounds })))
    }
  }
  const synchronous = { scenario: 'encrypted', connections: 64, measures: [SPEED, P99], rounds } as const
  figures.push(...(await against('by hand, signing on the main thread', synchronous)))
  return figures
}

interface Match {
  readonly scenario: Scenario
  readonly connections: number
  readonly measures: readonly Measure[]
  readonly rounds: number
}

async function against(kind: Serving['kind'], { scenario, connections, measures, rounds }: Match): Promise<Figure[]> {
  const keys = keyTexts(scenario)
  const load = startWorker('load')
  const requests = requestsOverSocket(scenario, connections === 1 ? 400 : 2_000)
  const [ours, theirs] = [startWorker('serving'), startWorker('serving')]
  const run = async (server: Worker, kind: Serving['kind']) => {
    const port = await server.ask<number>({ kind, keys } satisfies Serving)
    return () => load.ask<LoadResult>({ port, connections, requests })
  }
  try {
    const contenders = { ours: await run(ours, 'ours'), theirs: await run(theirs, kind) }
    return await duel({ what: `${scenario}, ${connections} at once, ${kind}`, ...contenders, measures }, rounds)
  } finally {
    for (const worker of [load, ours, theirs]) worker.end()
  }
}
