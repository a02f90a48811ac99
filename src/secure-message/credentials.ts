import { createKeyRing, type KeyRing, type VersionedKey } from '../keys/key-ring.ts'
import {
  fingerprint,
  type PrivateKey,
  type PrivateKeyInput,
  type PublicKey,
  type PublicKeyInput,
  parsePrivateKey,
  parsePublicKey,
} from '../keys/keys.ts'
import { ConfigurationError } from '../errors.ts'

/**
 * Who we are to one peer, and how we know it. Versions are the `keyVersion` of the headers; the greatest is the
 * one that is used for sending.
 *
 * @see docs/protocol.md section 3.3
 */
export interface Credentials {
  /** The id that AlipayHK assigned: 1 to 128 visible ASCII characters. */
  readonly clientId: string
  /** Ours, by version: these sign what we send and decrypt what we receive. */
  readonly privateKeys: Readonly<Record<string, PrivateKeyInput>>
  /** Theirs, by version: these verify what we receive and encrypt what we send. */
  readonly peerPublicKeys: Readonly<Record<string, PublicKeyInput>>
}

/** {@link Credentials}, parsed. */
export interface ParsedCredentials {
  readonly clientId: string
  readonly privateKeys: KeyRing<PrivateKey>
  readonly peerPublicKeys: KeyRing<PublicKey>
  /** What we sign with. */
  readonly signingKey: VersionedKey<PrivateKey>
}

const parsed = new WeakMap<Credentials, ParsedCredentials>()

/**
 * Parses credentials, once for each object: return the same object again, and its keys are not parsed again.
 *
 * @throws {@link ConfigurationError} `ERR_CREDENTIALS`, `ERR_KEY_RING`, `ERR_KEY_OWN` and those of a key
 */
export function parseCredentials(credentials: Credentials): ParsedCredentials {
  if (typeof credentials !== 'object' || credentials === null) {
    throw new ConfigurationError('ERR_CREDENTIALS', '"credentials" must be { clientId, privateKeys, peerPublicKeys }.')
  }
  const known = parsed.get(credentials)
  if (known !== undefined) return known
  const { clientId } = credentials
  if (typeof clientId !== 'string' || !/^[!-~]{1,128}$/.test(clientId)) {
    throw new ConfigurationError('ERR_CREDENTIALS', '"clientId" must be 1 to 128 visible ASCII characters.')
  }
  const privateKeys = createKeyRing(credentials.privateKeys ?? {}, 'privateKeys', parsePrivateKey)
  const peerPublicKeys = createKeyRing(credentials.peerPublicKeys ?? {}, 'peerPublicKeys', parsePublicKey)
  assertDistinct(privateKeys, peerPublicKeys)
  const signingKey = privateKeys.get(undefined) as VersionedKey<PrivateKey>
  const result = { clientId, privateKeys, peerPublicKeys, signingKey }
  parsed.set(credentials, result)
  return result
}

/** With our own public key in the peer's place, our messages could be played back to us as the peer's. */
function assertDistinct(privateKeys: KeyRing<PrivateKey>, peerPublicKeys: KeyRing<PublicKey>): void {
  const fingerprints = ({ key }: VersionedKey<PrivateKey>) => (key.form === 'key-object' ? [fingerprint(key.key)] : [])
  const ours = new Set(privateKeys.newestFirst.flatMap(fingerprints))
  for (const peer of peerPublicKeys.newestFirst) {
    if (fingerprints(peer).some((found) => ours.has(found))) {
      throw new ConfigurationError(
        'ERR_KEY_OWN',
        `peerPublicKeys[${peer.version}] is the public half of your own private key; paste the key that AlipayHK shows as its own.`,
      )
    }
  }
}
