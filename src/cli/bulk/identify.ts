import { createHmac } from 'node:crypto'

/** The identifiers of a line. */
export interface LineIdentity {
  /** The `requestId` for an order without one. */
  readonly requestId: string
  /** 32 bits. */
  readonly check: number
}

/**
 * Derives the `requestId` of a line from its content and the salt of the journal. So it does not have to be stored before the order
 * is sent: after a crash, the same line gets the same id.
 */
export function identifyLine(salt: string, line: Uint8Array): LineIdentity {
  const digest = createHmac('sha256', Buffer.from(salt, 'hex')).update(line).digest()
  return { requestId: digest.toString('hex', 0, 16), check: digest.readUInt32BE(16) }
}
