import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { JSONWebKeySet, JWK } from 'jose'
import { ConfigurationError } from '../errors.ts'

/**
 * Reads a JWK set (RFC 7517 section 5) into a key ring's input: each key under its `kid`, which is the key version.
 * Keys for other uses (`"use": "enc"`, `"kty": "oct"` …) are left out.
 *
 * @param kind Which half the set holds: the peer's public keys, or your own private ones.
 * @throws {@link ConfigurationError} `ERR_KEY_RING`, `ERR_KEY_KIND`, `ERR_KEY_FORMAT`
 * @see docs/protocol.md section 3.3
 * @example
 * ```ts
 * import { importJwkSet } from 'alipayhk-order-sync'
 *
 * const peerPublicKeys = await importJwkSet(JSON.parse(process.env['ALIPAYHK_JWKS'] ?? '{}'), 'public')
 * ```
 */
export async function importJwkSet(
  set: { readonly keys: readonly object[] },
  kind: 'public' | 'private',
): Promise<Record<string, KeyObject>> {
  if (!Array.isArray(set?.keys)) throw new ConfigurationError('ERR_KEY_RING', 'The JWK set has no "keys" array.')
  const keys: [string, KeyObject][] = []
  for (const [index, jwk] of (set as JSONWebKeySet).keys.entries()) {
    const name = `The JWK at keys[${index}]`
    if (!isForSignatures(jwk, kind)) continue
    if (typeof jwk.kid !== 'string')
      throw new ConfigurationError('ERR_KEY_RING', `${name} has no "kid", which is its key version.`)
    if (keys.some(([kid]) => kid === jwk.kid)) throw new ConfigurationError('ERR_KEY_RING', `${name} repeats a "kid".`)
    if ('d' in jwk !== (kind === 'private')) {
      throw new ConfigurationError('ERR_KEY_KIND', `${name} is not a ${kind} key, as was expected.`)
    }
    keys.push([jwk.kid, await importRsaJwk(jwk, kind, name)])
  }
  if (keys.length === 0) throw new ConfigurationError('ERR_KEY_RING', 'The JWK set holds no RSA key for signatures.')
  return Object.fromEntries(keys)
}

/** RFC 7517 section 5: what is not understood in a set is to be ignored. */
function isForSignatures(jwk: JWK | null, kind: 'public' | 'private'): boolean {
  if (jwk?.kty !== 'RSA') return false
  const { use = 'sig', alg = 'RS256', key_ops = ['sign', 'verify'] } = jwk
  return use === 'sig' && alg === 'RS256' && key_ops.includes(kind === 'private' ? 'sign' : 'verify')
}

async function importRsaJwk(jwk: JWK, kind: 'public' | 'private', name: string): Promise<KeyObject> {
  // Loaded here: the whole of jose costs 40 ms at start, and PEM and DER do without it.
  const { exportPKCS8, exportSPKI, importJWK } = await import('jose')
  try {
    const key = await importJWK({ ...jwk, ext: true }, 'RS256')
    if (key instanceof Uint8Array) throw new TypeError('not an asymmetric key')
    return kind === 'private' ? createPrivateKey(await exportPKCS8(key)) : createPublicKey(await exportSPKI(key))
  } catch {
    throw new ConfigurationError('ERR_KEY_FORMAT', `${name} has missing or malformed members.`)
  }
}
