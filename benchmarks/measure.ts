/** The measurements of one contender in one round. */
export interface Sample {
  readonly perSecond: number
  /** Milliseconds of each operation. */
  readonly latencies?: readonly number[]
  /** Event loop time of one operation, in microseconds of a core. */
  readonly eventLoop?: number
}

/** Runs one round of its operation. */
export type Contender = () => Promise<Sample>

/** The limit of a ratio: `least` for a speed, `most` for a cost. */
export interface Bar {
  readonly least?: number
  readonly most?: number
}

/** One ratio, and the absolute numbers behind it. */
export interface Figure {
  readonly what: string
  /** The unit of `ours` and `theirs`. Absolute numbers are shown, but never compared with those of another run. */
  readonly unit: string
  readonly ours: number
  readonly theirs: number
  readonly ratio: number
  /** The alternative compared with itself in the same rounds: the measurement noise of `ratio`. */
  readonly null?: number
  readonly bar?: Bar
  /** In every repeat, `null` differed from 1 by more than 5 %. */
  readonly noisy?: boolean
}

/** Whether the ratio keeps its bar. Without a bar, every ratio does. */
export function meetsBar({ ratio, bar }: Figure): boolean {
  return ratio >= (bar?.least ?? 0) && ratio <= (bar?.most ?? Number.POSITIVE_INFINITY)
}

/** With fewer rounds, only large changes of figures with a bar are visible. A p99 is then meaningless. */
export const MANY_ROUNDS = 5
/** How far the ratio of the alternative to itself may be from 1. */
const NOISE = 0.05
/** The maximum number of rounds that are run first and not counted. */
const WARM_UP = 8
/** How often a noisy run is repeated. */
const REPEATS = 3

export const median = (numbers: readonly number[]): number => quantile(numbers, 0.5)

export function quantile(numbers: readonly number[], at: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN
}

/** Reads one number from a sample. */
export interface Measure {
  readonly unit: string
  readonly of: (sample: Sample) => number
  readonly bar?: Bar
}

export const SPEED: Measure = { unit: '/s', of: ({ perSecond }) => perSecond }
export const COST: Measure = { unit: 'µs', of: ({ perSecond }) => 1_000_000 / perSecond }
/** The limit of a server on a machine with enough cores. */
export const EVENT_LOOP: Measure = { unit: 'µs of event loop time', of: ({ eventLoop = Number.NaN }) => eventLoop }
export const P99: Measure = { unit: 'ms p99', of: ({ latencies = [] }) => quantile(latencies, 0.99) }

export interface Comparison {
  readonly what: string
  readonly ours: Contender
  readonly theirs: Contender
  /** A second contender of the same kind as `theirs`, for cases where running twice as often makes `theirs` faster. */
  readonly again?: Contender
  readonly measures: readonly Measure[]
}

/**
 * Runs ours, the alternative, and the alternative once more, in turns. Returns the median of the ratios of all rounds.
 * The order changes every round, so that no contender always follows the same one. A noisy run is repeated.
 */
export async function compare(comparison: Comparison, rounds: number): Promise<Figure[]> {
  const { what, ours, theirs, again = theirs, measures } = comparison
  // V8 compiles code while it runs, so the first rounds are slower.
  for (let round = 0; round < Math.min(WARM_UP, rounds); round++) {
    for (const contender of new Set([ours, theirs, again])) await contender()
  }
  for (let repeat = 0; ; repeat++) {
    const samples = await interleave({ ours, theirs, again }, rounds)
    const figures = measures.map((measure) => toFigure(what, samples, measure))
    // A p99 is noisy more often than not, so a p99 without a bar does not cause a repeat.
    const noisy = figures.some(({ unit, bar, null: pair }) => (bar || unit === '/s') && Math.abs(pair - 1) > NOISE)
    if (!noisy || repeat === REPEATS) return figures.map((figure) => ({ ...figure, ...(noisy && { noisy }) }))
  }
}

type Name = 'ours' | 'theirs' | 'again'
type Samples = Readonly<Record<Name, readonly Sample[]>>

async function interleave({ ours, theirs, again }: Record<Name, Contender>, rounds: number): Promise<Samples> {
  const samples: Record<Name, Sample[]> = { ours: [], theirs: [], again: [] }
  const turns = [
    async () => samples.ours.push(await ours()),
    async () => samples.theirs.push(await theirs()),
    async () => samples.again.push(await again()),
  ]
  for (let round = 0; round < rounds; round++) {
    for (const turn of rotate(turns, round)) await turn()
  }
  return samples
}

function toFigure(what: string, samples: Samples, { unit, of, bar }: Measure): Figure & { readonly null: number } {
  const [ours, theirs, again] = [samples.ours.map(of), samples.theirs.map(of), samples.again.map(of)]
  // The alternative has run twice in each round. Both runs count.
  const base = theirs.map((value, round) => (value + (again[round] ?? value)) / 2)
  return {
    ...{ what, unit, ours: median(ours), theirs: median(base), ratio: medianRatio(ours, base) },
    ...{ null: medianRatio(again, theirs), ...(bar && { bar }) },
  }
}

function medianRatio(numerators: readonly number[], denominators: readonly number[]): number {
  return median(numerators.map((numerator, round) => numerator / (denominators[round] ?? Number.NaN)))
}

/** Returns the turns of a round: each round starts with another one, and every second round is reversed. */
function rotate<Turn>(turns: readonly Turn[], round: number): Turn[] {
  const at = round % turns.length
  const order = [...turns.slice(at), ...turns.slice(0, at)]
  return round % 2 === 0 ? order : order.reverse()
}
