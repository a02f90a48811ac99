import { availableParallelism } from 'node:os'
import process from 'node:process'
import { type Contender, compare, EVENT_LOOP, type Figure, MANY_ROUNDS, type Measure, P99, SPEED } from './measure.ts'
import { startWorker, type Worker } from './processes.ts'
import { createRequests, pemKeys, SCENARIOS, type Scenario } from './scenarios.ts'
import type { LoadResult } from './worker-load.ts'
import type { ServerSetup } from './worker-server.ts'

/**
 * With fewer cores, the two private key operations of an encrypted request take all cores, on every server: see
 * benchmarks/README.md. There the event loop time shows what more cores would give.
 */
const CORES_FOR_THREADS = 4

const MEASURES: Readonly<Partial<Record<Scenario, readonly Measure[]>>> = {
  plain: [
    { ...SPEED, bar: { least: 0.8 } },
    { ...P99, bar: { most: 1.15 } },
  ],
  encrypted: [availableParallelism() < CORES_FOR_THREADS ? SPEED : { ...SPEED, bar: { least: 1.5 } }, P99],
}

/** Compares the handler with a hand-written server. The load comes from another process, over real sockets. */
export async function server(rounds: number, barsOnly: boolean): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const scenario of SCENARIOS) {
    for (const connections of [1, 64]) {
      const measures = connections === 64 ? (MEASURES[scenario] ?? [SPEED, P99]) : [SPEED, P99]
      figures.push(...(await compareWith('hand-written', { scenario, connections, measures, rounds, barsOnly })))
    }
  }
  const encrypted = { scenario: 'encrypted', connections: 64, rounds, barsOnly } as const
  // Only Linux reports the CPU time of a thread.
  const eventLoop = process.platform === 'linux' ? [{ ...EVENT_LOOP, bar: { most: 0.667 } }] : []
  const withThreads = { ...encrypted, decryptionThreads: 2, measures: [...eventLoop, SPEED, P99] }
  figures.push(...(await compareWith('hand-written', withThreads)))
  const withoutBars = { ...encrypted, measures: [SPEED, P99] }
  figures.push(...(await compareWith('hand-written, signs on the event loop', withoutBars)))
  return figures
}

interface Case {
  readonly scenario: Scenario
  readonly connections: number
  readonly measures: readonly Measure[]
  readonly rounds: number
  /** Leaves out measures without a bar. */
  readonly barsOnly: boolean
  /** Decryption threads of our server. Absent: the default for this machine. */
  readonly decryptionThreads?: number
}

/** A p99 with a bar needs 6,000: with 2,000, one pause decides the p99, and runs differ by a tenth. */
function requestsPerRound({ connections, measures, rounds }: Case): number {
  if (connections === 1) return 400
  if (rounds < MANY_ROUNDS) return 1_000
  return measures.some(({ unit, bar }) => unit === P99.unit && bar !== undefined) ? 6_000 : 2_000
}

/** Whether a measure has a bar. With few rounds, a p99 is meaningless. */
const isJudged = ({ unit, bar }: Measure, rounds: number): boolean =>
  bar !== undefined && (unit !== P99.unit || rounds >= MANY_ROUNDS)

async function compareWith(alternative: ServerSetup['kind'], each: Case): Promise<Figure[]> {
  const { scenario, connections, rounds, barsOnly, decryptionThreads: threads } = each
  const measures = barsOnly ? each.measures.filter((measure) => isJudged(measure, rounds)) : each.measures
  if (measures.length === 0) return []
  const keys = pemKeys(scenario)
  const load = startWorker('worker-load')
  const requests = createRequests(scenario, requestsPerRound(each))
  const env = threads === undefined ? {} : { ORDER_SYNC_DECRYPT_THREADS: String(threads) }
  const [ours, theirs] = [startWorker('worker-server', { env }), startWorker('worker-server')]
  const toContender = async (server: Worker, kind: ServerSetup['kind']): Promise<Contender> => {
    const port = await server.call<number>({ kind, keys } satisfies ServerSetup)
    return async () => {
      const before = await server.call<number>('event loop')
      const result = await load.call<LoadResult>({ port, connections, requests })
      const eventLoopTime = (await server.call<number>('event loop')) - before
      return { ...result, eventLoop: eventLoopTime / requests.length }
    }
  }
  try {
    const contenders = { ours: await toContender(ours, 'ours'), theirs: await toContender(theirs, alternative) }
    const parts = [
      scenario,
      connections === 1 ? '1 connection' : `${connections} connections`,
      ...(threads === undefined ? [] : [`${threads} decryption threads`]),
      alternative,
    ]
    return await compare({ what: parts.join(', '), ...contenders, measures }, rounds)
  } finally {
    for (const worker of [load, ours, theirs]) worker.stop()
  }
}
