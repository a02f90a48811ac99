import { availableParallelism } from 'node:os'
import process from 'node:process'
import type { LoadResult } from './load.ts'
import { type Contender, duel, EVENT_LOOP, type Figure, MANY_ROUNDS, type Measure, P99, SPEED } from './measure.ts'
import { startWorker, type Worker } from './processes.ts'
import type { Serving } from './serving.ts'
import { keyTexts, requestsOverSocket, SCENARIOS, type Scenario } from './traffic.ts'

/**
 * On fewer, an encrypted request takes all cores for its two operations with a private key, whoever serves it: see
 * docs/performance.md. What more cores would give shows in what the event loop has left to do.
 */
const CORES_FOR_THREADS = 4

const BARS: Readonly<Partial<Record<Scenario, readonly Measure[]>>> = {
  plain: [
    { ...SPEED, bar: { least: 0.93 } },
    { ...P99, bar: { most: 1.15 } },
  ],
  encrypted: [availableParallelism() < CORES_FOR_THREADS ? SPEED : { ...SPEED, bar: { least: 1.5 } }, P99],
}

/** Requests over real sockets, from another process, against a server that was written by hand. */
export async function server(rounds: number, barsOnly: boolean): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const scenario of SCENARIOS) {
    for (const connections of [1, 64]) {
      const measures = connections === 64 ? (BARS[scenario] ?? [SPEED, P99]) : [SPEED, P99]
      figures.push(...(await against('by hand', { scenario, connections, measures, rounds, barsOnly })))
    }
  }
  const encrypted = { scenario: 'encrypted', connections: 64, rounds, barsOnly } as const
  // Only Linux tells what a thread has cost.
  const cost = process.platform === 'linux' ? [{ ...EVENT_LOOP, bar: { most: 0.667 } }] : []
  figures.push(...(await against('by hand', { ...encrypted, threads: 2, measures: [...cost, SPEED, P99] })))
  const synchronous = { ...encrypted, measures: [SPEED, P99] }
  figures.push(...(await against('by hand, signing on the main thread', synchronous)))
  return figures
}

interface Match {
  readonly scenario: Scenario
  readonly connections: number
  readonly measures: readonly Measure[]
  readonly rounds: number
  /** What has no bar is left out. */
  readonly barsOnly: boolean
  /** How many of ours decrypt; by default as many as it takes on this machine. */
  readonly threads?: number
}

/** A p99 that has a bar wants more of them: of 2,000, one pause makes the few that count, and from run to run it was off by a tenth. */
function requestsOfRound({ connections, measures, rounds }: Match): number {
  if (connections === 1) return 400
  if (rounds < MANY_ROUNDS) return 1_000
  return measures.some(({ unit, bar }) => unit === P99.unit && bar !== undefined) ? 6_000 : 2_000
}

/** What has a bar, and is not a p99 where a few rounds say nothing of it. */
const isJudged = ({ unit, bar }: Measure, rounds: number): boolean =>
  bar !== undefined && (unit !== P99.unit || rounds >= MANY_ROUNDS)

async function against(kind: Serving['kind'], match: Match): Promise<Figure[]> {
  const { scenario, connections, rounds, barsOnly, threads } = match
  const measures = barsOnly ? match.measures.filter((measure) => isJudged(measure, rounds)) : match.measures
  if (measures.length === 0) return []
  const keys = keyTexts(scenario)
  const load = startWorker('load')
  const requests = requestsOverSocket(scenario, requestsOfRound(match))
  const env = threads === undefined ? {} : { ORDER_SYNC_DECRYPT_THREADS: String(threads) }
  const [ours, theirs] = [startWorker('serving', { env }), startWorker('serving')]
  const run = async (server: Worker, kind: Serving['kind']): Promise<Contender> => {
    const port = await server.ask<number>({ kind, keys } satisfies Serving)
    return async () => {
      const before = await server.ask<number>('event loop')
      const result = await load.ask<LoadResult>({ port, connections, requests })
      const took = (await server.ask<number>('event loop')) - before
      return { ...result, eventLoop: took / requests.length }
    }
  }
  try {
    const contenders = { ours: await run(ours, 'ours'), theirs: await run(theirs, kind) }
    const decrypting = threads === undefined ? '' : `, ${threads} threads decrypt`
    const what = `${scenario}, ${connections} at once${decrypting}, ${kind}`
    return await duel({ what, ...contenders, measures }, rounds)
  } finally {
    for (const worker of [load, ours, theirs]) worker.end()
  }
}
