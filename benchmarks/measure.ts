/** What a round of one contender has shown. */
export interface Sample {
  readonly perSecond: number
  /** Milliseconds of each operation, where one by one they are of interest. */
  readonly latencies?: readonly number[]
  /** Microseconds of a core that the event loop took for an operation. */
  readonly eventLoop?: number
}

/** Does its work for one round. */
export type Contender = () => Promise<Sample>

/** What a ratio must hold: a figure that speaks of speed has a least, one that speaks of cost has a most. */
export interface Bar {
  readonly least?: number
  readonly most?: number
}

/** One ratio, with what it was made of. */
export interface Figure {
  readonly what: string
  /** What the absolute numbers are in: shown, never compared with those of another run. */
  readonly unit: string
  readonly ours: number
  readonly theirs: number
  readonly ratio: number
  /** The other against itself, in the same rounds: how much of a ratio is noise. */
  readonly null?: number
  readonly bar?: Bar
  /** The null pair was off by more than 5 % each time that this was run. */
  readonly noisy?: boolean
}

/** Whether a figure is within its bar; without one it is. */
export function holds({ ratio, bar }: Figure): boolean {
  return ratio >= (bar?.least ?? 0) && ratio <= (bar?.most ?? Number.POSITIVE_INFINITY)
}

/** Fewer rounds tell only whether something has broken, of what has a bar: not what a single connection or a p99 is like. */
export const MANY_ROUNDS = 5
/** How far off the null pair may be. */
const NOISE = 0.05
/** Rounds of each that do not count, but no more than count. */
const WARM_UP = 8
/** How often a run that was noise is repeated. */
const REPEATS = 3

export const median = (numbers: readonly number[]): number => quantile(numbers, 0.5)

export function quantile(numbers: readonly number[], at: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN
}

/** What of a round a figure is about. */
export interface Measure {
  readonly unit: string
  readonly of: (sample: Sample) => number
  readonly bar?: Bar
}

export const SPEED: Measure = { unit: '/s', of: ({ perSecond }) => perSecond }
export const COST: Measure = { unit: 'µs', of: ({ perSecond }) => 1_000_000 / perSecond }
/** What bounds a server that has cores to spare. */
export const EVENT_LOOP: Measure = { unit: 'µs of the event loop', of: ({ eventLoop = Number.NaN }) => eventLoop }
export const P99: Measure = { unit: 'ms p99', of: ({ latencies = [] }) => quantile(latencies, 0.99) }

export interface Duel {
  readonly what: string
  readonly ours: Contender
  readonly theirs: Contender
  /** What theirs is compared with to tell noise, of the same kind; theirs itself, unless running twice as often would favour it. */
  readonly again?: Contender
  readonly measures: readonly Measure[]
}

/**
 * Runs ours, theirs, and theirs once more, in turns; a ratio is the median of the ratios of the rounds. Each round has
 * another order, so that none always comes after the same. Repeated while theirs is not like itself.
 */
export async function duel({ what, ours, theirs, again = theirs, measures }: Duel, rounds: number): Promise<Figure[]> {
  // What is compiled while it runs gets faster for a while.
  for (let round = 0; round < Math.min(WARM_UP, rounds); round++) {
    for (const contender of new Set([ours, theirs, again])) await contender()
  }
  for (let repeat = 0; ; repeat++) {
    const samples = await interleave({ ours, theirs, again }, rounds)
    const figures = measures.map((measure) => toFigure(what, samples, measure))
    // The p99 of a pair is off more often than not: where nothing hangs on it, it is shown as it is.
    const noisy = figures.some(({ unit, bar, null: pair }) => (bar || unit === '/s') && Math.abs(pair - 1) > NOISE)
    if (!noisy || repeat === REPEATS) return figures.map((figure) => ({ ...figure, ...(noisy && { noisy }) }))
  }
}

type Samples<Name extends string> = Readonly<Record<Name, Sample[]>>

async function interleave<Name extends string>(
  contenders: Readonly<Record<Name, Contender>>,
  rounds: number,
): Promise<Samples<Name>> {
  const entries = Object.entries(contenders) as [Name, Contender][]
  const samples = Object.fromEntries(entries.map(([name]) => [name, []])) as unknown as Samples<Name>
  for (let round = 0; round < rounds; round++) {
    for (const [name, contender] of rotated(entries, round)) samples[name].push(await contender())
  }
  return samples
}

function toFigure(
  what: string,
  samples: Samples<'ours' | 'theirs' | 'again'>,
  { unit, of, bar }: Measure,
): Figure & { readonly null: number } {
  const [ours, theirs, again] = [samples.ours.map(of), samples.theirs.map(of), samples.again.map(of)]
  // Theirs has run twice as often: both runs count.
  const base = theirs.map((value, round) => (value + (again[round] ?? value)) / 2)
  return {
    ...{ what, unit, ours: median(ours), theirs: median(base), ratio: ratioOf(ours, base) },
    ...{ null: ratioOf(again, theirs), ...(bar && { bar }) },
  }
}

function ratioOf(numerators: readonly number[], denominators: readonly number[]): number {
  return median(numerators.map((numerator, round) => numerator / (denominators[round] ?? Number.NaN)))
}

/** The turns, beginning with another each round, and every second time backwards. */
function rotated<Turn>(turns: readonly Turn[], round: number): Turn[] {
  const at = round % turns.length
  const order = [...turns.slice(at), ...turns.slice(0, at)]
  return round % 2 === 0 ? order : order.reverse()
}
