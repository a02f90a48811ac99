import { createHash } from 'node:crypto'

/** SHA-256. */
export function sha256(data: string | Uint8Array, encoding: 'base64url' | 'hex'): string {
  return createHash('sha256').update(data).digest(encoding)
}
