const followers = new WeakMap<AbortSignal, Set<AbortController>>()

/**
 * A signal of its own for one order, aborted when the caller's is, until it is released. Not AbortSignal.any(), of which
 * Node 20 keeps a note for as long as the caller's signal lives; nor a listener for each order, since Node warns of more
 * than ten.
 */
export function follow(caller: AbortSignal): { readonly signal: AbortSignal; readonly release: () => void } {
  const own = new AbortController()
  if (caller.aborted) own.abort(caller.reason)
  const all = followersOf(caller)
  all.add(own)
  return { signal: own.signal, release: () => void all.delete(own) }
}

function followersOf(caller: AbortSignal): Set<AbortController> {
  const known = followers.get(caller)
  if (known !== undefined) return known
  const all = new Set<AbortController>()
  followers.set(caller, all)
  const abortAll = () => {
    for (const one of all) one.abort(caller.reason)
  }
  caller.addEventListener('abort', abortAll, { once: true })
  return all
}

interface Limits {
  /** In milliseconds. */
  readonly timeoutMs?: number
  /** What to reject with when the time is up. */
  readonly late?: () => Error
  readonly outer: AbortSignal | undefined
}

/**
 * Waits for work until the time is up or the outer signal is aborted, and tells it so: not every fetch, body, signer or
 * validator ends when its signal says so. A timer of our own, because those of AbortSignal.timeout() stay until their
 * time is up, and with them all that belongs to the request.
 */
export function within<Value>(
  { timeoutMs, late, outer }: Limits,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const inner = new AbortController()
    const release = () => {
      clearTimeout(timer)
      outer?.removeEventListener('abort', abort)
    }
    // Released here too: work that does not heed its signal may never end.
    const end = (reason: unknown) => {
      release()
      inner.abort(reason)
      reject(reason)
    }
    const abort = () => end(outer?.reason)
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => end(late?.()), timeoutMs)
    outer?.addEventListener('abort', abort)
    if (outer?.aborted) abort()
    else work(inner.signal).finally(release).then(resolve, reject)
  })
}
