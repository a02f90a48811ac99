import { constants } from 'node:os'
import process from 'node:process'

/** How long the orders in flight may take after a signal. */
const GRACE_MS = 5_000

/** The terminal sends a signal to the whole process group, and npm forwards it too: a second signal within this time is the same one. */
const SAME_SIGNAL_MS = 500

/**
 * Stops in two steps: the first stops reading, the second aborts the orders in flight. SIGINT and SIGTERM trigger the steps.
 *
 * @param onStop Stops reading.
 * @param print Prints what a signal does.
 */
export function createStop(onStop: () => void, print: (text: string) => void) {
  const aborted = new AbortController()
  let signalled: { readonly name: NodeJS.Signals; readonly at: number } | undefined
  let isStopping = false
  let grace: NodeJS.Timeout | undefined

  function stop(): void {
    if (isStopping) return
    isStopping = true
    grace = setTimeout(() => aborted.abort(), GRACE_MS)
    onStop()
  }

  function onSignal(name: NodeJS.Signals): void {
    const at = performance.now()
    if (signalled === undefined) {
      signalled = { name, at }
      print(`Stopping. Orders in flight have ${GRACE_MS / 1_000} seconds to finish. A second signal aborts them.`)
    } else if (at - signalled.at < SAME_SIGNAL_MS) return
    else {
      // A third signal kills.
      release()
      aborted.abort()
    }
    stop()
  }

  function release(): void {
    clearTimeout(grace)
    for (const name of SIGNALS) process.off(name, onSignal)
  }

  for (const name of SIGNALS) process.on(name, onSignal)
  return {
    stop,
    release,
    aborted: aborted.signal,
    isStopping: () => isStopping,
    /** The exit status that shells expect after a signal: 128 plus its number. Undefined without a signal. */
    exitStatus: () => signalled && 128 + constants.signals[signalled.name],
  }
}

/** Made by {@link createStop}. */
export type Stop = ReturnType<typeof createStop>

const SIGNALS = ['SIGINT', 'SIGTERM'] as const
