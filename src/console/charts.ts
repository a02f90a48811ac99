import type { Entry } from './entry.ts'
import type { Minute } from './wire.ts'

/** Minutes that are kept. */
const MINUTES = 60
/** A histogram of durations from 0.1 ms to a few minutes. The bound of each class is 10 % above the one before. */
const GROWTH = 1.1
const SHORTEST_MS = 0.1
const CLASSES = 160
/** More kinds than there are: an event can come from another release of this package. */
const MAX_KINDS = 32

interface Counted {
  readonly kinds: Map<string, number>
  readonly durations: Uint32Array
  skew: { min: number; max: number } | undefined
}

/** Counts deliveries by the minute: the inbox keeps 500, which may cover only a few seconds. */
export function createCharts() {
  const minutes = new Map<number, Counted>()
  return {
    /** Counts an entry when it is new, under the kind of its first outcome. */
    count({ at, durationMs, events, direction }: Entry): void {
      if (direction !== 'in') return
      const minute = Math.floor(at / 60_000) * 60_000
      const counted = minutes.get(minute) ?? { kinds: new Map(), durations: new Uint32Array(CLASSES), skew: undefined }
      minutes.set(minute, counted)
      for (const oldest of minutes.keys()) {
        if (minutes.size <= MINUTES) break
        minutes.delete(oldest)
      }
      const { kind, clockSkewMs } = events[0]?.logged ?? {}
      const name = String(kind ?? 'unknown')
      if (counted.kinds.has(name) || counted.kinds.size < MAX_KINDS) {
        counted.kinds.set(name, (counted.kinds.get(name) ?? 0) + 1)
      }
      const index = classOf(durationMs)
      counted.durations[index] = (counted.durations[index] ?? 0) + 1
      if (typeof clockSkewMs === 'number') {
        const { min, max } = counted.skew ?? { min: clockSkewMs, max: clockSkewMs }
        counted.skew = { min: Math.min(min, clockSkewMs), max: Math.max(max, clockSkewMs) }
      }
    },
    read: (): Minute[] =>
      [...minutes]
        .sort(([a], [b]) => a - b)
        .map(([at, { kinds, durations, skew }]) => ({
          at,
          kinds: Object.fromEntries(kinds),
          p50: quantile(durations, 0.5),
          p99: quantile(durations, 0.99),
          ...(skew && { skew }),
        })),
  }
}

const classOf = (ms: number) =>
  Math.min(CLASSES - 1, Math.max(0, Math.ceil(Math.log(ms / SHORTEST_MS) / Math.log(GROWTH))))

/** The upper bound of the class in which the quantile is. */
function quantile(durations: Uint32Array, share: number): number {
  const wanted = durations.reduce((sum, count) => sum + count, 0) * share
  let seen = 0
  const found = durations.findIndex((count) => {
    seen += count
    return seen >= wanted
  })
  return SHORTEST_MS * GROWTH ** Math.max(0, found)
}
