/**
 * Calls a listener of the merchant. Its errors, also those of a returned promise, are passed to a callback and never thrown: an
 * event must not change the outcome that it reports. A promise is not awaited, because the peer must not wait for it.
 */
export function notify<Event>(
  listener: (event: Event) => void,
  event: Event,
  onThrown: (thrown: unknown) => void,
): void {
  try {
    // The compiler accepts an async function as a void one.
    Promise.resolve(listener(event) as unknown).catch(onThrown)
  } catch (thrown) {
    onThrown(thrown)
  }
}

/** The minimum time between two warnings with the same code. */
const WARNING_INTERVAL_MS = 60_000

/** Emits a process warning. Creates the message only if it is needed. */
export type Warn = (code: string, message: () => string, intervalMs?: number) => void

/** More than the number of codes of this release: an error can come from another release of this package. */
const MAX_CODES = 100

/** Creates the function that emits process warnings: at most one per code and interval, with the number of omitted ones. */
export function createWarner(now: () => number): Warn {
  const given = new Map<string, { readonly at: number; leftOut: number }>()
  return (code, message, intervalMs = WARNING_INTERVAL_MS) => {
    const last = given.get(code)
    if (last === undefined && given.size >= MAX_CODES) return
    if (last !== undefined && now() - last.at < intervalMs) {
      last.leftOut++
      return
    }
    given.set(code, { at: now(), leftOut: 0 })
    const leftOut =
      last === undefined || last.leftOut === 0 ? '' : ` ${last.leftOut} more with this code were left out.`
    // The global `process`: importing node:process in an ES module reads all its members, stdin and stdout too (3 ms).
    process.emitWarning(`${message()}${leftOut}`, { type: 'OrderSyncWarning', code })
  }
}
