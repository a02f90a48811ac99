import type { KeyObject } from 'node:crypto'
import type { Decrypter, DecryptionKey, PublicKey, SigningKey } from '../crypto/key.ts'
import { requireOperation } from '../crypto/key-use.ts'
import { ConfigurationError } from '../errors.ts'
import { isRecord } from './key-formats.ts'
import {
  type PrivateKeyInput,
  type PublicKeyInput,
  parseDecryptionKey,
  parsePrivateKey,
  parsePublicKey,
  rsaPublicHalf,
} from './keys.ts'

/** The private keys of one version, one for each use, because a KMS key has only one use. Without a key, that use is not possible. */
export interface PrivateKeyRoles {
  /** Signs what you send. */
  readonly sign?: PrivateKeyInput | undefined
  /** Decrypts what you receive: an RSA key, or an object with `decrypt`. */
  readonly decrypt?: PrivateKeyInput | Decrypter | undefined
}

/** The public keys of one version of a peer that has one key for each use. */
export interface PublicKeyRoles {
  /** Verifies what the peer sends. */
  readonly verify: PublicKeyInput
  /** Encrypts what you send to the peer: an RSA key. Without it, nothing is encrypted to this version. */
  readonly encrypt?: PublicKeyInput | undefined
}

/** The private keys of one version, parsed. */
export interface ParsedPrivateKeys {
  readonly sign?: SigningKey
  readonly decrypt?: DecryptionKey
}

/** Parses the value of one version in `privateKeys`: one key for both uses, or a key for each use. */
export function parsePrivateKeys(input: PrivateKeyInput | PrivateKeyRoles, name: string): ParsedPrivateKeys {
  if (!hasRoles<PrivateKeyRoles>(input, ['sign', 'decrypt'])) {
    const key = parsePrivateKey(input as PrivateKeyInput, name)
    const { unwrap } = key
    return unwrap === undefined ? { sign: key } : { sign: key, decrypt: { ...key, unwrap } }
  }
  assertRoles(input, ['sign', 'decrypt'], name)
  const { sign, decrypt } = input
  if (sign === undefined && decrypt === undefined) {
    throw new ConfigurationError('ERR_KEY_RING', `${name} has neither "sign" nor "decrypt".`)
  }
  return {
    ...(sign !== undefined && { sign: parsePrivateKey(sign, `${name}.sign`) }),
    ...(decrypt !== undefined && { decrypt: parseDecryptionKey(decrypt, `${name}.decrypt`) }),
  }
}

/** Parses the value of one version in `peerPublicKeys`: one key for both uses, or a key for each use. */
export function parsePublicKeys(input: PublicKeyInput | PublicKeyRoles, name: string): PublicKey {
  if (!hasRoles<PublicKeyRoles>(input, ['verify', 'encrypt'])) return parsePublicKey(input as PublicKeyInput, name)
  assertRoles(input, ['verify', 'encrypt'], name)
  if (input.verify === undefined) throw new ConfigurationError('ERR_KEY_RING', `${name} has no "verify".`)
  const { wrap: _, ...key } = parsePublicKey(input.verify, `${name}.verify`)
  if (input.encrypt === undefined) return key
  return { ...key, wrap: requireOperation(parsePublicKey(input.encrypt, `${name}.encrypt`).wrap, 'encryption') }
}

/** The public half of a private key. */
interface PublicHalf {
  /** The use of the key, if it is not for both uses. */
  readonly use?: 'sig' | 'enc'
  readonly key: KeyObject
}

/**
 * The public halves of the private keys of one version.
 *
 * @throws {@link ConfigurationError} the codes of {@link rsaPublicHalf}
 */
export function publicHalves(input: PrivateKeyInput | PrivateKeyRoles, name: string): PublicHalf[] {
  if (!hasRoles<PrivateKeyRoles>(input, ['sign', 'decrypt']))
    return [{ key: rsaPublicHalf(input as PrivateKeyInput, name) }]
  const { sign, decrypt } = input
  return [
    ...(sign === undefined ? [] : [{ use: 'sig', key: rsaPublicHalf(sign, `${name}.sign`) } as const]),
    ...(decrypt === undefined ? [] : [{ use: 'enc', key: rsaPublicHalf(decrypt, `${name}.decrypt`) } as const]),
  ]
}

/** Not a signer, a decrypter or a parsed key: their members are functions. */
function hasRoles<Roles extends object>(input: unknown, roles: readonly (keyof Roles & string)[]): input is Roles {
  return isRecord(input) && roles.some((role) => role in input && typeof input[role] !== 'function')
}

function assertRoles(input: object, roles: readonly string[], name: string): void {
  const other = Object.keys(input).find((member) => !roles.includes(member))
  if (other === undefined) return
  throw new ConfigurationError(
    'ERR_KEY_RING',
    `${name} has a member besides ${roles.map((role) => `"${role}"`).join(' and ')}.`,
  )
}
