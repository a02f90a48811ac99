import process from 'node:process'

/** How a store handles the errors of the connection that you passed. */
export interface ConnectionErrors {
  /** The function that got the connection, for the warning. */
  readonly owner: string
  /** What happened, and what happens next, for the warning. */
  readonly meaning: string
  /** How to listen, for the warning. */
  readonly fix: string
  /** The store's option of that name. */
  readonly onError?: ((error: unknown) => void) | undefined
}

interface Emitter {
  on(event: 'error', listener: (error: unknown) => void): unknown
  listenerCount(event: 'error'): number
}

/**
 * Listens for 'error' on a pool or client that has no listener: without one, a broken idle connection ends the process.
 * The first error becomes a process warning. With `onError`, every error goes there instead.
 */
export function listenForErrors(connection: unknown, { owner, meaning, fix, onError }: ConnectionErrors): void {
  if (!isEmitter(connection)) return
  if (onError !== undefined) connection.on('error', (error) => callSafely(onError, error))
  if (connection.listenerCount('error') > 0) return
  let warned = false
  connection.on('error', (error) => {
    // The application has added a listener since, and decides what to report.
    if (warned || connection.listenerCount('error') > 1) return
    warned = true
    process.emitWarning(`${owner}: ${meaning} (${codeOf(error)}). ${fix}, or set the option "onError" of the store.`, {
      type: 'OrderSyncWarning',
      code: 'ERR_STORE_CONNECTION',
    })
  })
}

function isEmitter(value: unknown): value is Emitter {
  return hasFunction(value, 'on') && hasFunction(value, 'listenerCount')
}

function hasFunction(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, name) === 'function'
}

/** An exception in a listener would end the process, which the listener exists to prevent. */
function callSafely(onError: (error: unknown) => unknown, error: unknown): void {
  try {
    Promise.resolve(onError(error)).catch(() => {})
  } catch {}
}

/** The code only: the message of a driver may quote the URL with its password. */
function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown }
  return [code, name].map(String).find((text) => /^\w{1,40}$/.test(text) && text !== 'undefined') ?? 'unknown error'
}
