/** Figures at one moment of a run. */
export interface Sample {
  /** Seconds since the start. */
  readonly at: number
  /** Whether faults were off. */
  readonly isCalm: boolean
  /** Deliveries that were accepted since the start. */
  readonly accepted: number
  /** Deliveries that were accepted, per second since the last sample. */
  readonly acceptedPerSecond: number
  /** Events that are not accepted yet. */
  readonly pending: number
  /** Of the replica that is never restarted. Undefined while it is frozen. */
  readonly heapMb?: number | undefined
  readonly rssMb?: number | undefined
  readonly handles?: number | undefined
  readonly fileDescriptors?: number | undefined
  /** Of the worker of the outbox that is never restarted. */
  readonly workerHeapMb?: number | undefined
  readonly workerHandles?: number | undefined
  readonly workerFileDescriptors?: number | undefined
  /** Of all processes to the database. Undefined while the database is down. */
  readonly connections?: number | undefined
  /** Rows of the store that expire. */
  readonly requestRows?: number | undefined
  /** Orders that are held by a lease. */
  readonly leases?: number | undefined
  /** Transactions that were begun with an event of the outbox, since the start. */
  readonly enqueued: number
  readonly outboxRows?: number | undefined
  /** Events in the outbox that are not sent yet. */
  readonly outboxWaiting?: number | undefined
}

type Figure =
  | 'heapMb'
  | 'rssMb'
  | 'handles'
  | 'fileDescriptors'
  | 'workerHeapMb'
  | 'workerHandles'
  | 'workerFileDescriptors'
  | 'connections'

/** How much a figure may grow between the two halves of the run, after the warm-up: a part of it, and a number. */
const MAY_GROW: Readonly<Record<Figure, readonly [part: number, plus: number]>> = {
  heapMb: [0.05, 1],
  rssMb: [0.1, 15],
  handles: [0, 5],
  fileDescriptors: [0, 5],
  workerHeapMb: [0.05, 1],
  workerHandles: [0, 5],
  workerFileDescriptors: [0, 5],
  // Pools open their connections as they need them: three of 8, and three of 4.
  connections: [0, 36],
}

/** The growth of one figure. */
export interface Growth {
  readonly figure: Figure
  /** Medians. */
  readonly before: number
  readonly after: number
  readonly isFlat: boolean
}

/** Compares the first half of the calm samples after the warm-up with the second half. */
export function growths(samples: readonly Sample[], warmUpSeconds: number): Growth[] {
  const calm = samples.filter(({ at, isCalm }) => isCalm && at >= warmUpSeconds)
  const middle = Math.floor(calm.length / 2)
  return (Object.keys(MAY_GROW) as Figure[]).map((figure) => {
    const [part, plus] = MAY_GROW[figure]
    const before = median(calm.slice(0, middle).map((sample) => sample[figure]))
    const after = median(calm.slice(middle).map((sample) => sample[figure]))
    // Phrased so that NaN, the median of nothing, is not flat.
    return { figure, before, after, isFlat: after <= before * (1 + part) + plus }
  })
}

function median(values: readonly (number | undefined)[]): number {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** The most rows of requests that a moment may have besides those that have not expired: three processes delete some with each 1,000th claim. */
const EXPIRED_REQUESTS = 3 * 1_000 + 500
/** `responseTtlMs` of the replicas, and the time between two samples and their statements. */
const REQUEST_SECONDS = 75
/** `keepSentMs` of the workers, twice the minute between two deletions, and the same. */
const OUTBOX_SECONDS = 195
const OUTBOX_SPARE = 200

/** Rows that expire, at every moment: unlike a comparison of two halves, it holds from the first sample on. */
export function tooManyRows(samples: readonly Sample[]): string[] {
  const violations: string[] = []
  for (const now of samples) {
    const since = (seconds: number) => samples.findLast(({ at }) => at < now.at - seconds)
    const requests = now.accepted - (since(REQUEST_SECONDS)?.accepted ?? 0) + now.pending + EXPIRED_REQUESTS
    const outbox = now.enqueued - (since(OUTBOX_SECONDS)?.enqueued ?? 0) + (now.outboxWaiting ?? 0) + OUTBOX_SPARE
    const at = `after ${now.at.toFixed(0)} s`
    if ((now.requestRows ?? 0) > requests)
      violations.push(`${now.requestRows} rows of requests ${at}: at most ${requests}`)
    if ((now.outboxRows ?? 0) > outbox) violations.push(`${now.outboxRows} rows in the outbox ${at}: at most ${outbox}`)
  }
  return violations
}
