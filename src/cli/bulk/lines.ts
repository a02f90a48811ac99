/** One line of a file of lines. */
export interface Line {
  /** From 1. Empty lines count. */
  readonly number: number
  /** Without the end of the line. Undefined: the line is longer than the limit. */
  readonly bytes: Buffer | undefined
  /** The position in the file after this line. */
  readonly end: number
  /** Its size in the file in bytes, with its line ending and the empty lines before it. */
  readonly size: number
  /** Whether the line ends with a line feed. Only the last line can be without one. */
  readonly isComplete: boolean
}

const LINE_FEED = 10
const CARRIAGE_RETURN = 13

/**
 * Splits a stream into lines, and skips empty ones. It keeps one line in memory, and nothing of a line above the limit. readline
 * would keep the whole line.
 */
export async function* readLines(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Line, undefined> {
  let parts: Buffer[] = []
  let [number, size, position, lastEnd] = [0, 0, 0, 0]

  function take(part: Buffer): void {
    size += part.length
    if (size <= maxBytes) parts.push(part)
    else parts = []
  }

  function endLine(isComplete: boolean): Line | undefined {
    const bytes = size > maxBytes ? undefined : withoutReturn(Buffer.concat(parts))
    parts = []
    size = 0
    number++
    if (bytes !== undefined && isBlank(bytes)) return undefined
    const line = { number, bytes, end: position, size: position - lastEnd, isComplete }
    lastEnd = position
    return line
  }

  for await (const chunk of chunks) {
    let start = 0
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, start)) {
      take(chunk.subarray(start, at))
      position += at + 1 - start
      start = at + 1
      const line = endLine(true)
      if (line !== undefined) yield line
    }
    take(chunk.subarray(start))
    position += chunk.length - start
  }
  const last = size > 0 ? endLine(false) : undefined
  if (last !== undefined) yield last
}

function withoutReturn(bytes: Buffer): Buffer {
  return bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 32 || byte === 9)
}
