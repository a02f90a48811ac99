import { ConfigurationError } from '../errors.ts'

/** A key and its version. */
export interface VersionedKey<Key> {
  readonly version: string
  readonly key: Key
}

/** Keys by their version. */
export interface KeyRing<Key> {
  /** The latest version first. Versions are compared as numbers when all of them are integers, otherwise as text. */
  readonly newestFirst: readonly VersionedKey<Key>[]
  readonly latest: VersionedKey<Key>
  /** Returns the key of a version, or of the latest version when it is undefined. */
  get(version: string | undefined): VersionedKey<Key> | undefined
}

/** Members of a key, a signer or a key by role. They are not key versions. */
const ROLES = ['sign', 'signDigest', 'decrypt', 'verify', 'encrypt'] as const

/**
 * Parses keys by version, `{ 1: key, 2: key }`.
 *
 * @param name The name of the ring in error messages: `privateKeys`.
 * @throws {@link ConfigurationError} `ERR_KEY_RING` and what `parse` throws
 * @see docs/protocol.md section 3.3
 */
export function createKeyRing<Input, Key>(
  keys: Readonly<Record<string, Input>>,
  name: string,
  parse: (input: Input, name: string) => Key,
): KeyRing<Key> {
  // A common mistake is a single key instead of the ring: a string has entries too, one for each character.
  if (
    Object.prototype.toString.call(keys) !== '[object Object]' ||
    'kty' in keys ||
    Array.isArray(keys['keys']) ||
    ROLES.some((role) => role in keys)
  ) {
    throw new ConfigurationError(
      'ERR_KEY_RING',
      `${name} must map key versions to keys, such as { 1: key }; await importJwkSet() returns that for a JWK set.`,
    )
  }
  const byVersion = new Map<string, VersionedKey<Key>>()
  for (const [version, input] of Object.entries(keys)) {
    if (!/^[\w.~-]{1,64}$/.test(version)) {
      throw new ConfigurationError(
        'ERR_KEY_RING',
        `${name} has a version that is not 1 to 64 letters, digits, "_", ".", "~" or "-".`,
      )
    }
    byVersion.set(version, { version, key: parse(input, `${name}[${version}]`) })
  }
  const newestFirst = [...byVersion.values()].sort(comparison([...byVersion.keys()], name))
  const [latest] = newestFirst
  if (latest === undefined) {
    throw new ConfigurationError('ERR_KEY_RING', `${name} is missing or empty; pass { 1: key }.`)
  }
  return { newestFirst, latest, get: (version) => (version === undefined ? latest : byVersion.get(version)) }
}

type Versioned = { readonly version: string }

function comparison(versions: readonly string[], name: string): (a: Versioned, b: Versioned) => number {
  if (!versions.every((version) => /^\d+$/.test(version))) return (a, b) => (a.version < b.version ? 1 : -1)
  if (new Set(versions.map(BigInt)).size < versions.length) {
    throw new ConfigurationError('ERR_KEY_RING', `${name} has two versions that are the same number, such as 1 and 01.`)
  }
  return (a, b) => (BigInt(a.version) < BigInt(b.version) ? 1 : -1)
}
