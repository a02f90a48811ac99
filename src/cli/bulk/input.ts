import { createReadStream, statSync } from 'node:fs'
import process from 'node:process'
import type { Readable } from 'node:stream'
import { describeFileError } from '../files.ts'
import { UsageError } from '../usage-error.ts'
import { MAX_LINES } from './ledger.ts'
import { type Line, readLines } from './lines.ts'
import { assertJsonLines, MAX_LINE_BYTES } from './order-line.ts'

/** The lines of a file, or of standard input (`-`). */
export interface Input {
  readonly lines: AsyncIterable<Line>
  /** Undefined for a pipe. */
  readonly totalBytes: number | undefined
  /** Ends the lines, even while waiting for the next one. */
  readonly stop: () => void
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

export function openInput(path: string): Input {
  const stats = attempt(() => (path === '-' ? undefined : statSync(path)))
  if (stats?.isDirectory()) throw new UsageError('The file of orders is a folder.')
  const stream: Readable = path === '-' ? process.stdin : createReadStream(path)
  let isStopped = false
  async function* read(): AsyncGenerator<Line, undefined> {
    let isFirst = true
    try {
      for await (const line of readLines(stream, MAX_LINE_BYTES)) {
        if (isStopped) return
        if (line.number > MAX_LINES) throw new UsageError(`The file has more than ${MAX_LINES} lines. Split it.`)
        const bytes = isFirst && line.bytes !== undefined ? withoutMark(line.bytes) : line.bytes
        if (isFirst && bytes !== undefined) assertJsonLines(bytes)
        isFirst = false
        yield { ...line, bytes }
      }
    } catch (error) {
      // A stream that is destroyed while it is read fails.
      if (isStopped) return
      if (error instanceof UsageError) throw error
      throw new UsageError(`The file of orders cannot be read: ${describeFileError(error)}.`)
    }
  }
  return {
    lines: read(),
    totalBytes: stats?.isFile() ? stats.size : undefined,
    stop() {
      isStopped = true
      stream.destroy()
    },
  }
}

function withoutMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? bytes.subarray(3) : bytes
}

function attempt<Value>(open: () => Value): Value {
  try {
    return open()
  } catch (error) {
    throw new UsageError(`The file of orders cannot be read: ${describeFileError(error)}.`)
  }
}
