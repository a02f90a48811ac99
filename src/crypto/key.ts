import type { SignatureAlgorithm } from '../protocol/headers.ts'

// What parsed keys can do, decided once, when src/keys parses them. Operations are closures: a key that is printed or
// serialized shows no key material.

/** How an AES key is encrypted under an RSA key; OAEP with SHA-1 or SHA-256. Named as in RFC 7518. */
export type KeyWrap = 'RSA1_5' | 'RSA-OAEP' | 'RSA-OAEP-256'

/** How a signature was made. For diagnosis: verification accepts only one way. */
export interface SignatureForm {
  /** `PKCS1` is the padding of RSA256; `none` is ECDSA. */
  readonly padding: 'PKCS1' | 'PSS' | 'none'
  /** `SHA-256` is right. `none`: the padding holds the content itself, or its digest without the name of the digest. */
  readonly digest: string
  /** How the bytes of the signature are arranged, when verification does not accept them so. */
  readonly encoding: string | undefined
  /** Whether the signature itself proves that this key made it, over any content. Always false for ECDSA. */
  readonly isCertain: boolean
  /** Whether the signature is over this content. */
  readonly matches: (content: Uint8Array) => boolean
}

/**
 * Examines a signature that does not verify. An empty list: this key did not make it. Undefined: the runtime cannot decide.
 */
export type ExamineSignature = (signature: Uint8Array) => readonly SignatureForm[] | undefined

/**
 * A parsed public key: it is strong enough, and good for exactly one signature algorithm.
 *
 * @see docs/protocol.md section 3.2
 */
export interface PublicKey {
  /** The one algorithm that the key verifies with. */
  readonly algorithm: SignatureAlgorithm
  /** Resolves to whether the signature over the content is valid. Malformed signatures are invalid; it never rejects. */
  readonly verify: (content: Uint8Array, signature: Uint8Array) => Promise<boolean>
  /** Encrypts an AES key. Absent when messages cannot be encrypted to this key: ECC224 keys and CryptoKeys. */
  readonly wrap?: (aesKey: Uint8Array, keyWrap: KeyWrap) => Uint8Array
  /** SHA-256 of the key as SPKI DER, in hex. Absent for a CryptoKey, which may not be exportable. */
  readonly fingerprint?: string
  /** Finds out how a signature was made. For diagnosis only. Absent for a CryptoKey. @internal */
  readonly examine?: ExamineSignature
}

/**
 * A parsed private key: it is strong enough, and good for exactly one signature algorithm.
 *
 * @see docs/protocol.md section 3.2
 */
export interface PrivateKey {
  /** The one algorithm that the key signs with. */
  readonly algorithm: SignatureAlgorithm
  /** Signs the content with SHA-256. Rejects only when a {@link Signer} does. */
  readonly sign: (content: Uint8Array) => Promise<Uint8Array>
  /**
   * Decrypts an AES key. Resolves to the substitute when the wrapped key is invalid, so that callers cannot tell the
   * two cases apart. Rejects only when a {@link Signer} does. Absent when the key cannot decrypt: ECC224 keys,
   * CryptoKeys, and signers without `decrypt`.
   */
  readonly unwrap?: (wrapped: Uint8Array, keyWrap: KeyWrap, substitute: Uint8Array) => Promise<Uint8Array>
  /** Whether a {@link Signer} holds the key, in a KMS or HSM: a call may take as long as a network request. */
  readonly isRemote: boolean
  /** SHA-256 of the public half as SPKI DER, in hex. Absent where the key cannot be exported: a CryptoKey, a signer. */
  readonly fingerprint?: string
  /** Finds out how a signature was made. For diagnosis only. Absent for a CryptoKey. @internal */
  readonly examine?: ExamineSignature
}

/** A private key without the operation that decrypts. */
export type SigningKey = Omit<PrivateKey, 'unwrap'>

/** A private key that decrypts. */
export type DecryptionKey = Required<Pick<PrivateKey, 'unwrap'>> & Pick<PrivateKey, 'isRemote' | 'fingerprint'>

/** The part of a {@link Signer} or {@link DigestSigner} that decrypts. On its own, for a KMS key that only decrypts. */
export interface Decrypter {
  /**
   * Decrypts a wrapped AES key with RSAES-PKCS1-v1_5, or with the RSA-OAEP variant that the `encryption` option names.
   * Resolve to undefined when the service refuses the ciphertext. Reject only when the service cannot be reached: the
   * response is then `UNKNOWN_EXCEPTION`, and the peer retries.
   */
  decrypt(bytes: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>
}

/**
 * A private key that never leaves a KMS or HSM, and that signs whole messages. Methods take bytes and return the bytes of
 * the result. A message can be longer than the 4,096 bytes that many services accept: prefer {@link DigestSigner}.
 *
 * - `sign`: RSASSA-PKCS1-v1_5 with SHA-256 for RSA256; ECDSA over secp224r1 with SHA-256, in ASN.1 DER, for ECC224.
 *   A signer that fails with more than 4,096 bytes is reported as `ERR_SIGNER_LIMIT`, one that returns no bytes as
 *   `ERR_SIGNER_RESULT`.
 * - `decrypt`: as in {@link Decrypter}. Only needed for encrypted messages.
 *
 * @see docs/protocol.md section 3
 */
export interface Signer extends Partial<Decrypter> {
  readonly algorithm: SignatureAlgorithm
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/**
 * A private key that never leaves a KMS or HSM, and that signs digests: every service can, for messages of any length.
 *
 * - `signDigest`: signs a SHA-256 digest of 32 bytes, with the algorithms of {@link Signer}. Tell the service that it is a
 *   digest; otherwise it is hashed again, and the signature is invalid. One that returns no bytes is reported as `ERR_SIGNER_RESULT`.
 * - `decrypt`: as in {@link Decrypter}. Only needed for encrypted messages.
 *
 * @see docs/protocol.md section 3
 */
export interface DigestSigner extends Partial<Decrypter> {
  readonly algorithm: SignatureAlgorithm
  signDigest(digest: Uint8Array): Uint8Array | Promise<Uint8Array>
}
