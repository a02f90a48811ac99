/** Where progress is shown. */
export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly write: (text: string) => unknown
}

/** The progress of the run. */
export interface Progress {
  readonly orders: number
  readonly failed: number
  /** The bytes of the finished lines, and of the file. The size of a pipe is unknown. */
  readonly bytes: number
  readonly totalBytes?: number | undefined
}

/** Progress with its speed. */
interface Measured extends Progress {
  readonly ordersPerSecond: number
  readonly secondsLeft: number | undefined
}

/** The time over which speed is measured: long enough to be steady, short enough to follow a peer that slows down. */
const WINDOW_MS = 10_000

const BAR_MS = 200
const LINE_MS = 10_000

/** Measures the speed of the last ten seconds. */
export function createMeter(startedAt: number, start: Progress) {
  const samples = [{ at: startedAt, ...start }]
  return (progress: Progress, now: number): Measured => {
    samples.push({ at: now, ...progress })
    while (samples.length > 2 && now - (samples[1]?.at ?? now) >= WINDOW_MS) samples.shift()
    const [first = { at: now, ...progress }] = samples
    const seconds = Math.max(0.001, (now - first.at) / 1_000)
    const bytesPerSecond = (progress.bytes - first.bytes) / seconds
    const { totalBytes } = progress
    const isKnown = totalBytes !== undefined && bytesPerSecond > 0
    return {
      ...progress,
      ordersPerSecond: (progress.orders - first.orders) / seconds,
      secondsLeft: isKnown ? Math.max(0, totalBytes - progress.bytes) / bytesPerSecond : undefined,
    }
  }
}

/** `41,000 orders, 41 %, 850/s, 3 failed, 1 min 10 s left` */
export function renderLine(measured: Measured): string {
  const { orders, failed, ordersPerSecond, secondsLeft } = measured
  const share = shareOf(measured)
  return [
    `${grouped(orders)} orders`,
    ...(share === undefined ? [] : [`${Math.floor(share * 100)} %`]),
    `${grouped(Math.round(ordersPerSecond))}/s`,
    `${grouped(failed)} failed`,
    ...(secondsLeft === undefined ? [] : [`${formatSeconds(secondsLeft)} left`]),
  ].join(', ')
}

const MAX_BAR = 40

/** The line with a bar before it, if there is room. Never wider than the terminal: a second line could not be removed. */
export function renderBar(measured: Measured, columns: number): string {
  const line = renderLine(measured)
  const share = shareOf(measured)
  const width = Math.min(MAX_BAR, columns - line.length - 4)
  if (share === undefined || width < 10) return line.slice(0, columns - 1)
  const done = Math.floor(share * width)
  return `[${'#'.repeat(done)}${'-'.repeat(width - done)}] ${line}`
}

/** An empty file is complete. */
function shareOf({ bytes, totalBytes }: Progress): number | undefined {
  if (totalBytes === undefined) return undefined
  return totalBytes === 0 ? 1 : Math.min(1, bytes / totalBytes)
}

/** `850`, `41,000` */
export const grouped = (number: number) => number.toLocaleString('en-US')

/** `12 s`, `1 min 10 s`, `2 h 5 min` */
export function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`
}

const CLEAR_LINE = '\r\u001B[K'

interface ProgressOptions {
  readonly stream: ProgressStream
  readonly read: () => Progress
  /** Milliseconds, from any start. */
  readonly now: () => number
  /** What the terminal is, as in the variable `TERM`. */
  readonly terminal?: string | undefined
}

/** Shows progress: a bar that is redrawn on a terminal, otherwise a line at intervals. */
export function startProgress({ stream, read, now, terminal }: ProgressOptions) {
  const measure = createMeter(now(), read())
  const isTerminal = stream.isTTY === true && terminal !== 'dumb'
  const show = () => {
    const measured = measure(read(), now())
    stream.write(isTerminal ? CLEAR_LINE + renderBar(measured, stream.columns ?? 80) : `${renderLine(measured)}\n`)
  }
  const timer = setInterval(show, isTerminal ? BAR_MS : LINE_MS)
  timer.unref()
  return {
    /** Makes room for another line. */
    clear: () => void (isTerminal && stream.write(CLEAR_LINE)),
    stop() {
      clearInterval(timer)
      if (isTerminal) stream.write(CLEAR_LINE)
    },
  }
}
