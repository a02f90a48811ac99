import { inspect } from 'node:util'

/**
 * All that can be seen of an error from outside, to compare it with that of another. Of its stack, only the part that
 * is ours: the rest tells who called, not why it failed.
 */
export const observableShape = (error: Error) => ({
  prototype: Object.getPrototypeOf(error),
  own: Object.getOwnPropertyNames(error),
  symbols: Object.getOwnPropertySymbols(error),
  enumerable: { ...error },
  message: error.message,
  json: JSON.stringify(error),
  cause: error.cause,
  stack: error.stack?.split('\n').filter(isOurs),
  printed: inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true }).split('\n').filter(isOurs),
})

const isOurs = (line: string) => !/\bat (async |.*:\d+:\d+)/.test(line) || /[\\/]src[\\/]/.test(line)
