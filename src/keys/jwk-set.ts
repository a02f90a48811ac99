import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { JSONWebKeySet, JWK } from 'jose'
import { ConfigurationError } from '../errors.ts'
import { assertStrictJwk, malformedJwk } from './jwk.ts'
import { createKeyRing } from './key-ring.ts'
import { type PrivateKeyRoles, publicHalves } from './key-roles.ts'
import type { PrivateKeyInput } from './keys.ts'

/**
 * Imports a JWK set (RFC 7517 section 5) as keys by version: the `kid` of each key is its version.
 * Keys for other uses (`"use": "enc"`, `"kty": "oct"` …) are ignored.
 *
 * @param kind Which keys the set holds: the peer's public keys, or your own private keys.
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
  if (keys.length === 0) throw new ConfigurationError('ERR_KEY_RING', 'The JWK set has no RSA key for signatures.')
  return Object.fromEntries(keys)
}

/** RFC 7517 section 5: implementations ignore the keys of a set that they do not understand. */
function isForSignatures(jwk: JWK | null, kind: 'public' | 'private'): boolean {
  if (jwk?.kty !== 'RSA') return false
  const { use = 'sig', alg = 'RS256', key_ops = ['sign', 'verify'] } = jwk
  return use === 'sig' && alg === 'RS256' && key_ops.includes(kind === 'private' ? 'sign' : 'verify')
}

async function importRsaJwk(jwk: JWK, kind: 'public' | 'private', name: string): Promise<KeyObject> {
  const subject = `${name} has`
  assertStrictJwk({ ...jwk }, subject)
  // Imported on first use: jose takes 40 ms to load, and PEM and DER do not need it.
  const { exportPKCS8, exportSPKI, importJWK } = await import('jose')
  try {
    const key = await importJWK({ ...jwk, ext: true }, 'RS256')
    if (key instanceof Uint8Array) throw new TypeError('not an asymmetric key')
    return kind === 'private' ? createPrivateKey(await exportPKCS8(key)) : createPublicKey(await exportSPKI(key))
  } catch {
    throw malformedJwk(subject)
  }
}

/** A public RSA key as a JWK. It has no `alg`. */
export interface PublicJwk {
  readonly kty: 'RSA'
  /** Present when the version has a key for each use: `sig` verifies signatures, `enc` encrypts. Absent: both. */
  readonly use?: 'sig' | 'enc'
  /** The key version. */
  readonly kid: string
  readonly n: string
  readonly e: string
}

/** A JWK set of public keys (RFC 7517 section 5). */
export interface PublicJwkSet {
  readonly keys: readonly PublicJwk[]
}

/**
 * Exports the public halves of your private keys as a JWK set, for a partner that imports JWKs. The `kid` of each key is its
 * version, the latest version first. A version with a key for each use becomes two JWKs, with `use`.
 * {@link importJwkSet} reads the set, but ignores keys with `"use": "enc"`.
 *
 * @param credentials Only `privateKeys` is used.
 * @throws {@link ConfigurationError} `ERR_KEY_USE` for a signer or a CryptoKey, `ERR_KEY_ALGORITHM` for ECC224, and the
 * codes of {@link parsePrivateKey} and of the key ring
 * @see docs/protocol.md section 3.3
 * @example
 * ```ts
 * import { type Credentials, exportJwkSet } from 'alipayhk-order-sync'
 *
 * export const jwks = async (credentials: Credentials) => JSON.stringify(await exportJwkSet(credentials))
 * ```
 */
export async function exportJwkSet({
  privateKeys,
}: {
  readonly privateKeys: Readonly<Record<string, PrivateKeyInput | PrivateKeyRoles>>
}): Promise<PublicJwkSet> {
  const ring = createKeyRing(privateKeys ?? {}, 'privateKeys', publicHalves)
  const { exportJWK } = await import('jose')
  const halves = ring.newestFirst.flatMap(({ version, key }) => key.map((half) => ({ ...half, version })))
  const keys = halves.map(async ({ version, use, key }): Promise<PublicJwk> => {
    const { n, e } = await exportJWK(key)
    if (n === undefined || e === undefined) throw malformedJwk(`privateKeys[${version}] has`)
    // Member by member: nothing that jose may add can leak into the set.
    return { kty: 'RSA', ...(use && { use }), kid: version, n, e }
  })
  return { keys: await Promise.all(keys) }
}
