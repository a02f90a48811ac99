import { generateKeyPairSync } from 'node:crypto'
import { type Credentials, parseCredentials } from '../secure-message/credentials.ts'

/** A key pair as PEM: PKCS#8 and SPKI. */
export interface TestKeyPair {
  readonly privateKey: string
  readonly publicKey: string
}

/** The keys of both sides, and an unknown key. */
export interface TestKeys {
  readonly merchant: TestKeyPair
  readonly peer: TestKeyPair
  readonly stranger: TestKeyPair
}

let keys: TestKeys | undefined

/**
 * RSA keys for tests. They are generated once in a process, which takes less than a second.
 *
 * @see docs/protocol.md section 3.2
 * @example
 * ```ts
 * import { createTestKeys } from 'alipayhk-order-sync/testing'
 *
 * process.env['MERCHANT_PRIVATE_KEY'] = createTestKeys().merchant.privateKey
 * ```
 */
export function createTestKeys(): TestKeys {
  keys ??= { merchant: newPair(), peer: newPair(), stranger: newPair() }
  return keys
}

function newPair(): TestKeyPair {
  return generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
}

/** The credentials of both sides: each has its own private key, and the public key of the other. */
export interface TestCredentials {
  readonly merchant: Credentials
  readonly peer: Credentials
}

/**
 * Credentials for tests, with the keys of {@link createTestKeys}.
 *
 * @see docs/protocol.md section 3.3
 * @example
 * ```ts
 * import { createTestCredentials } from 'alipayhk-order-sync/testing'
 *
 * const { merchant } = createTestCredentials()
 * ```
 */
export function createTestCredentials(clientId = 'TEST-CLIENT'): TestCredentials {
  const { merchant, peer } = createTestKeys()
  const side = (own: TestKeyPair, other: TestKeyPair): Credentials => ({
    clientId,
    privateKeys: { 1: own.privateKey },
    peerPublicKeys: { 1: other.publicKey },
  })
  return { merchant: side(merchant, peer), peer: side(peer, merchant) }
}

/** The same credentials with an unknown private key, under the version that signs. */
export function withStrangerKey(own: Credentials): Credentials {
  const { version } = parseCredentials(own).signingKey
  return { ...own, privateKeys: { [version]: createTestKeys().stranger.privateKey } }
}
