/** How long a command may wait, in milliseconds, until no further ones are sent. */
const SILENT_AFTER_MS = 2_000

/**
 * Stops sending commands while the oldest one has waited too long, for a client with a single connection.
 *
 * node-redis restarts its `socketTimeout` with each write. On a network that drops packets silently, new orders would keep a
 * dead connection alive for ever. Nothing is lost: responses arrive in order, so a later command would have to wait too.
 */
export function pauseWhileSilent<Values extends unknown[]>(run: (...values: Values) => Promise<unknown>) {
  // In the order in which they began.
  const waitingSince = new Set<{ readonly time: number }>()

  return async (...values: Values): Promise<unknown> => {
    const [oldest] = waitingSince
    if (oldest !== undefined && performance.now() - oldest.time > SILENT_AFTER_MS) {
      throw new Error(
        `Redis has not responded for more than ${SILENT_AFTER_MS} ms. No commands are sent until it responds or the client reconnects. Set socketTimeout and pingInterval of the client, see docs/stores.md`,
      )
    }
    const command = { time: performance.now() }
    waitingSince.add(command)
    try {
      return await run(...values)
    } finally {
      waitingSince.delete(command)
    }
  }
}
