import { readdirSync } from 'node:fs'
import process from 'node:process'

/** Figures of one process. */
export interface ProcessFigures {
  /** In bytes, after a full garbage collection. */
  readonly heap: number
  /** In bytes. */
  readonly rss: number
  /** Active handles and requests of Node.js. */
  readonly handles: number
  readonly fileDescriptors: number
}

/** Figures of this process. It needs the flag `--expose-gc`. */
export function processFigures(): ProcessFigures {
  globalThis.gc?.()
  return {
    heap: process.memoryUsage().heapUsed,
    rss: process.memoryUsage().rss,
    handles: process.getActiveResourcesInfo().length,
    fileDescriptors: readdirSync('/proc/self/fd').length,
  }
}
