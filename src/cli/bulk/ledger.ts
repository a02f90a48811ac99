/** What the peer has decided on a line of the file. */
export type Decision = 'succeeded' | 'refused'

/** The maximum number of lines of a file of orders. Each takes five bytes of memory. */
export const MAX_LINES = 100_000_000

const STATES: readonly (Decision | undefined)[] = [undefined, 'succeeded', 'refused']

/**
 * Remembers the decision about each line in five bytes: the decision, and a checksum of the line, which shows whether the file has
 * changed.
 */
export function createLedger() {
  let checks = new Uint32Array(1_024)
  let states = new Uint8Array(1_024)

  function grow(line: number): void {
    if (line < states.length) return
    const length = Math.max(line + 1, states.length * 2)
    const [olderChecks, olderStates] = [checks, states]
    checks = new Uint32Array(length)
    checks.set(olderChecks)
    states = new Uint8Array(length)
    states.set(olderStates)
  }

  return {
    note(line: number, check: number, decision: Decision): void {
      grow(line)
      checks[line] = check
      states[line] = STATES.indexOf(decision)
    },
    /** Undefined: there is no decision. `changed`: there is a decision, but about a line with another content. */
    find(line: number, check: number): Decision | 'changed' | undefined {
      const decision = STATES[states[line] ?? 0]
      return decision === undefined || checks[line] === check ? decision : 'changed'
    },
  }
}

export type Ledger = ReturnType<typeof createLedger>
