import * as crypto from 'node:crypto'

// The small helpers of node:crypto that other folders need: only crypto/ and keys/ import node:crypto itself.

/** A source of random bytes. By default, `randomBytes` of `node:crypto`. */
export type RandomBytes = (size: number) => Uint8Array

export { randomBytes as secureRandomBytes, randomUUID as secureRandomUUID } from 'node:crypto'

/** SHA-256. Uses the one-shot function where the runtime has it: creating a Hash object takes longer than hashing an id. */
export const sha256: (data: string | Uint8Array, encoding: 'base64url' | 'hex') => string =
  typeof crypto.hash === 'function'
    ? (data, encoding) => crypto.hash('sha256', data, encoding)
    : (data, encoding) => crypto.createHash('sha256').update(data).digest(encoding)
