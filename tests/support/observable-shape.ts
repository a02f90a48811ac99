import { inspect } from 'node:util'

/**
 * Everything that a caller can observe of an error, to compare errors. Of the stack, only the frames of src/ count:
 * the others are the caller's own.
 */
export const observableShape = (error: Error) => ({
  prototype: Object.getPrototypeOf(error),
  own: Object.getOwnPropertyNames(error),
  symbols: Object.getOwnPropertySymbols(error),
  enumerable: { ...error },
  message: error.message,
  json: JSON.stringify(error),
  cause: error.cause,
  stack: error.stack?.split('\n').filter(isMessageOrSource),
  printed: inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true }).split('\n').filter(isMessageOrSource),
})

const isMessageOrSource = (line: string) => !/\bat (async |.*:\d+:\d+)/.test(line) || /[\\/]src[\\/]/.test(line)
