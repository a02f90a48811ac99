/** A lease, in milliseconds by the store's clock. */
export interface Lease {
  readonly leasedAt: number
  readonly expiresAt: number
}

/** How far a clock can be set back without an effect on current leases: small corrections are normal. */
const CORRECTION_MS = 1_000

/**
 * Whether a lease is valid. A lease that begins in the future is not: the clock was set back after the claim. Otherwise, the
 * order of a dead process would stay busy until the clock has caught up.
 */
export function holds({ leasedAt, expiresAt }: Lease, now: number): boolean {
  return expiresAt > now && leasedAt <= now + CORRECTION_MS
}
