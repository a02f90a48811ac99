/** How long the oldest command may wait before no further commands are sent, in milliseconds. */
const SILENT_AFTER_MS = 2_000

/**
 * Stops sending commands while the oldest one has waited too long, for a client with a single connection.
 *
 * node-redis restarts its `socketTimeout` with each write. On a network that drops packets silently, new orders would keep a
 * dead connection alive forever. Waiting costs nothing: responses arrive in sequence, so a later command would wait too.
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
