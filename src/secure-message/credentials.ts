import type { DecryptionKey, PublicKey, SigningKey } from '../crypto/key.ts'
import { requireOperation } from '../crypto/key-use.ts'
import { ConfigurationError } from '../errors.ts'
import { createKeyRing, type KeyRing, type VersionedKey } from '../keys/key-ring.ts'
import {
  type ParsedPrivateKeys,
  type PrivateKeyRoles,
  type PublicKeyRoles,
  parsePrivateKeys,
  parsePublicKeys,
} from '../keys/key-roles.ts'
import type { PrivateKeyInput, PublicKeyInput } from '../keys/keys.ts'

/**
 * Your identity towards one peer, and the keys of both sides. The versions are the `keyVersion` of the headers.
 * Pass a new object when a key changes: the keys of an object are parsed once.
 *
 * @see docs/protocol.md section 3.3
 */
export interface Credentials {
  /** The id that AlipayHK assigned to you: 1 to 128 visible ASCII characters. */
  readonly clientId: string
  /** Your private keys by version. They sign what you send and decrypt what you receive: `{ 1: key }` or `{ 1: { sign, decrypt } }`. */
  readonly privateKeys: Readonly<Record<string, PrivateKeyInput | PrivateKeyRoles>>
  /** The peer's public keys by version. They verify what you receive and encrypt what you send: `{ 1: key }` or `{ 1: { verify, encrypt } }`. */
  readonly peerPublicKeys: Readonly<Record<string, PublicKeyInput | PublicKeyRoles>>
  /**
   * The version of `privateKeys` that signs. Set it during a rotation, until the peer has your new public key.
   * @defaultValue the latest that can sign
   */
  readonly signingKeyVersion?: string | number | undefined
  /**
   * The version of `peerPublicKeys` that messages are encrypted to. Set it during a rotation, until the peer decrypts with its
   * new key. @defaultValue the latest that can encrypt
   */
  readonly encryptionKeyVersion?: string | number | undefined
}

/** {@link Credentials}, parsed. */
export interface ParsedCredentials {
  readonly clientId: string
  readonly privateKeys: KeyRing<ParsedPrivateKeys>
  readonly peerPublicKeys: KeyRing<PublicKey>
  readonly signingKey: VersionedKey<SigningKey>
  /** Absent when nothing can be encrypted to the peer. */
  readonly encryptionKey?: VersionedKey<PublicKey>
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
  const privateKeys = createKeyRing(credentials.privateKeys ?? {}, 'privateKeys', parsePrivateKeys)
  const peerPublicKeys = createKeyRing(credentials.peerPublicKeys ?? {}, 'peerPublicKeys', parsePublicKeys)
  assertDistinct(privateKeys, peerPublicKeys)
  const { signingKeyVersion, encryptionKeyVersion } = credentials
  const signingKeys = privateKeys.newestFirst.flatMap(({ version, key: { sign } }) =>
    sign ? [{ version, key: sign }] : [],
  )
  const encryptionKeys = peerPublicKeys.newestFirst.filter(({ key }) => key.wrap !== undefined)
  const signingKey = selectVersion(signingKeys, signingKeyVersion, 'signingKeyVersion: privateKeys can sign with')
  const encryptionKey = selectVersion(
    encryptionKeys,
    encryptionKeyVersion,
    'encryptionKeyVersion: peerPublicKeys can encrypt to',
  )
  if (signingKey === undefined) {
    throw new ConfigurationError(
      'ERR_KEY_RING',
      'privateKeys has no key that signs; pass { 1: key } or { 1: { sign, decrypt } }.',
    )
  }
  const result = { clientId, privateKeys, peerPublicKeys, signingKey, ...(encryptionKey && { encryptionKey }) }
  parsed.set(credentials, result)
  return result
}

/** The key of the version that an option names, or the latest. */
function selectVersion<Key>(
  newestFirst: readonly VersionedKey<Key>[],
  version: unknown,
  rule: string,
): VersionedKey<Key> | undefined {
  if (version === undefined) return newestFirst[0]
  const found = newestFirst.find((known) => known.version === String(version))
  if (found !== undefined) return found
  const versions = newestFirst.map((known) => known.version).join(', ') || 'no version'
  throw new ConfigurationError('ERR_CREDENTIALS', `No key matches ${rule} ${versions}.`)
}

/** If your own public key were configured as the peer's key, an attacker could replay your messages to you as the peer's. */
function assertDistinct(privateKeys: KeyRing<ParsedPrivateKeys>, peerPublicKeys: KeyRing<PublicKey>): void {
  const ours = new Set(privateKeys.newestFirst.flatMap(({ key }) => [key.sign?.fingerprint, key.decrypt?.fingerprint]))
  for (const { version, key } of peerPublicKeys.newestFirst) {
    if (key.fingerprint !== undefined && ours.has(key.fingerprint)) {
      throw ownKeyError(version)
    }
  }
}

/** The error for a peer key that is the public half of your own key. */
export function ownKeyError(version: string): ConfigurationError {
  return new ConfigurationError(
    'ERR_KEY_OWN',
    `peerPublicKeys[${version}] is the public half of your own private key; paste the key that AlipayHK shows as its own.`,
  )
}

/**
 * The key of the peer that messages are encrypted to.
 *
 * @throws {@link ConfigurationError} `ERR_KEY_USE` when there is none
 */
export function requireEncryptionKey({ encryptionKey }: ParsedCredentials): VersionedKey<PublicKey> {
  return requireOperation(encryptionKey, 'encryption')
}

/**
 * The private key of a version, or the latest one that can decrypt. An unknown version also returns the latest one, so that
 * the caller does the same work before it fails.
 *
 * @throws {@link ConfigurationError} `ERR_KEY_USE` when none can decrypt
 */
export function findDecryptionKey(
  { privateKeys }: ParsedCredentials,
  keyVersion: string | undefined,
): { version: string; key: DecryptionKey; isKnownVersion: boolean } {
  const able = privateKeys.newestFirst.flatMap(({ version, key: { decrypt } }) =>
    decrypt ? [{ version, key: decrypt }] : [],
  )
  const latest = requireOperation(able[0], 'decryption')
  const found = keyVersion === undefined ? latest : able.find(({ version }) => version === keyVersion)
  return { ...(found ?? latest), isKnownVersion: found !== undefined }
}
