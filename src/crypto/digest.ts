import * as crypto from 'node:crypto'

/** SHA-256. In one call where the runtime has it: to make a Hash costs more than to hash what is hashed here. */
export const sha256: (data: string | Uint8Array, encoding: 'base64url' | 'hex') => string =
  typeof crypto.hash === 'function'
    ? (data, encoding) => crypto.hash('sha256', data, encoding)
    : (data, encoding) => crypto.createHash('sha256').update(data).digest(encoding)
