import { createHmac } from 'node:crypto'

/** What a line is known by. */
export interface LineIdentity {
  /** For an order without one. */
  readonly requestId: string
  /** 32 bits. */
  readonly check: number
}

/**
 * Derives the `requestId` of a line from its content and the salt of the journal. So it need not be written down before the order
 * is sent: after a crash, the same line gets the same id.
 */
export function identifyLine(salt: string, line: Uint8Array): LineIdentity {
  const digest = createHmac('sha256', Buffer.from(salt, 'hex')).update(line).digest()
  return { requestId: digest.toString('hex', 0, 16), check: digest.readUInt32BE(16) }
}
