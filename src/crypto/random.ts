/** A source of random bytes; `node:crypto`'s by default. */
export type RandomBytes = (size: number) => Uint8Array

// Handed on, so that node:crypto is known to this folder only.
export { randomBytes as secureRandomBytes, randomUUID as secureRandomUUID } from 'node:crypto'
