/** A lease, in milliseconds by the store's clock. */
export interface Lease {
  readonly leasedAt: number
  readonly expiresAt: number
}

/** How far a clock may be set back without an effect on the leases that run: small corrections are normal. */
const CORRECTION_MS = 1_000

/**
 * Whether a lease holds. One that begins in the future is void: the clock was set back after the claim. Otherwise, the order
 * of a process that died would stay busy until the clock has caught up.
 */
export function holds({ leasedAt, expiresAt }: Lease, now: number): boolean {
  return expiresAt > now && leasedAt <= now + CORRECTION_MS
}
