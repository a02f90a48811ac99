// Replaces node:timers/promises, which fake timers do not reach:
//   vi.mock('node:timers/promises', () => import('../support/timers.ts'))

/** Not a timer: not faked. */
export const setImmediate = (): Promise<void> => new Promise((resolve) => void globalThis.setImmediate(resolve))

/** `setTimeout` of node:timers/promises, on top of the global one, which may be fake. */
export function setTimeout<Value>(
  milliseconds?: number,
  value?: Value,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<Value | undefined> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer)
      reject(Object.assign(new Error('The operation was aborted', { cause: signal?.reason }), { name: 'AbortError' }))
    }
    const timer = globalThis.setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve(value)
    }, milliseconds)
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort, { once: true })
  })
}
