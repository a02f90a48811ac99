/** Figures at one moment of a run. */
export interface Sample {
  /** Seconds since the start. */
  readonly at: number
  /** Whether faults were off. */
  readonly isCalm: boolean
  /** Deliveries that were accepted, per second since the last sample. */
  readonly acceptedPerSecond: number
  /** Events that are not accepted yet. */
  readonly pending: number
  /** Of the replica that is never restarted. Undefined while it is frozen. */
  readonly heapMb?: number | undefined
  readonly rssMb?: number | undefined
  readonly handles?: number | undefined
  readonly fileDescriptors?: number | undefined
  /** Of all replicas to the database. Undefined while the database is down. */
  readonly connections?: number | undefined
  /** Rows of the store that expire. */
  readonly requestRows?: number | undefined
  /** Orders that are held by a lease. */
  readonly leases?: number | undefined
}

type Figure = 'heapMb' | 'rssMb' | 'handles' | 'fileDescriptors' | 'connections' | 'requestRows'

/** How much a figure may grow between the two halves of the run, after the warm-up: a part of it, and a number. */
const MAY_GROW: Readonly<Record<Figure, readonly [part: number, plus: number]>> = {
  heapMb: [0.05, 1],
  rssMb: [0.1, 15],
  handles: [0, 5],
  fileDescriptors: [0, 5],
  // The pools of three replicas have at most 8 each, and open them as they need them.
  connections: [0, 24],
  requestRows: [0.2, 50],
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
