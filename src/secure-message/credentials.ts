import type { PrivateKey, PublicKey } from '../crypto/key.ts'
import { requireOperation } from '../crypto/key-use.ts'
import { ConfigurationError } from '../errors.ts'
import { createKeyRing, type KeyRing, type VersionedKey } from '../keys/key-ring.ts'
import { type PrivateKeyInput, type PublicKeyInput, parsePrivateKey, parsePublicKey } from '../keys/keys.ts'

/**
 * Your identity towards one peer, and the keys of both sides. The versions are the `keyVersion` of the headers.
 * The greatest version of `privateKeys` signs.
 *
 * @see docs/protocol.md section 3.3
 */
export interface Credentials {
  /** The id that AlipayHK assigned to you: 1 to 128 visible ASCII characters. */
  readonly clientId: string
  /** Your private keys by version. They sign what you send and decrypt what you receive. */
  readonly privateKeys: Readonly<Record<string, PrivateKeyInput>>
  /** The peer's public keys by version. They verify what you receive and encrypt what you send. */
  readonly peerPublicKeys: Readonly<Record<string, PublicKeyInput>>
}

/** {@link Credentials}, parsed. */
export interface ParsedCredentials {
  readonly clientId: string
  readonly privateKeys: KeyRing<PrivateKey>
  readonly peerPublicKeys: KeyRing<PublicKey>
  readonly signingKey: VersionedKey<PrivateKey>
}

/** Whether a value can be a `Client-Id`: 1 to 128 visible ASCII characters. */
export function isClientId(value: unknown): value is string {
  return typeof value === 'string' && /^[!-~]{1,128}$/.test(value)
}

const parsed = new WeakMap<Credentials, ParsedCredentials>()

/**
 * Parses credentials, once per object: when the same object is passed again, its keys are not parsed again.
 *
 * @throws {@link ConfigurationError} `ERR_CREDENTIALS`, `ERR_KEY_RING`, `ERR_KEY_OWN` and the codes of a key
 */
export function parseCredentials(credentials: Credentials): ParsedCredentials {
  if (typeof credentials !== 'object' || credentials === null) {
    throw new ConfigurationError('ERR_CREDENTIALS', '"credentials" must be { clientId, privateKeys, peerPublicKeys }.')
  }
  const known = parsed.get(credentials)
  if (known !== undefined) return known
  const { clientId } = credentials
  if (!isClientId(clientId)) {
    throw new ConfigurationError('ERR_CREDENTIALS', '"clientId" must be 1 to 128 visible ASCII characters.')
  }
  const privateKeys = createKeyRing(credentials.privateKeys ?? {}, 'privateKeys', parsePrivateKey)
  const peerPublicKeys = createKeyRing(credentials.peerPublicKeys ?? {}, 'peerPublicKeys', parsePublicKey)
  assertDistinct(privateKeys, peerPublicKeys)
  const result = { clientId, privateKeys, peerPublicKeys, signingKey: privateKeys.latest }
  parsed.set(credentials, result)
  return result
}

/** If our own public key stood in the peer's place, our messages could be played back to us as the peer's. */
function assertDistinct(privateKeys: KeyRing<PrivateKey>, peerPublicKeys: KeyRing<PublicKey>): void {
  const ours = new Set(privateKeys.newestFirst.map(({ key }) => key.fingerprint))
  for (const { version, key } of peerPublicKeys.newestFirst) {
    if (key.fingerprint !== undefined && ours.has(key.fingerprint)) {
      throw ownKeyError(version)
    }
  }
}

/** The error for a key of the peer that is our own. */
export function ownKeyError(version: string): ConfigurationError {
  return new ConfigurationError(
    'ERR_KEY_OWN',
    `peerPublicKeys[${version}] is the public half of your own private key; paste the key that AlipayHK shows as its own.`,
  )
}

/**
 * The peer's latest key that can encrypt.
 *
 * @throws {@link ConfigurationError} `ERR_KEY_USE` when none can
 */
export function requireEncryptionKey({ peerPublicKeys }: ParsedCredentials): VersionedKey<PublicKey> {
  const found = peerPublicKeys.newestFirst.find(({ key }) => key.wrap !== undefined) ?? peerPublicKeys.latest
  requireOperation(found.key.wrap, 'encryption')
  return found
}

/**
 * Our key of a version, or the latest one that can decrypt. For an unknown version it is also the latest one, so that
 * the caller can do the same work before it fails.
 */
export function findDecryptionKey(
  { privateKeys }: ParsedCredentials,
  keyVersion: string | undefined,
): { key: PrivateKey; isKnownVersion: boolean } {
  const able = privateKeys.newestFirst.filter(({ key }) => key.unwrap !== undefined)
  const latest = able[0] ?? privateKeys.latest
  const found = keyVersion === undefined ? latest : able.find(({ version }) => version === keyVersion)
  return { key: (found ?? latest).key, isKnownVersion: found !== undefined }
}
