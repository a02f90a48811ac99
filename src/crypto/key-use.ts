import { ConfigurationError } from '../errors.ts'

/** The operations that only some keys have, and what a key needs to have them. */
const REQUIREMENTS = {
  encryption: 'Encryption needs an RSA key, given in any form but a CryptoKey.',
  decryption: 'Decryption needs an RSA key, given in any form but a CryptoKey, or a signer with "decrypt".',
} as const

/**
 * Returns the operation of a key, `key.wrap` or `key.unwrap`.
 *
 * @throws {@link ConfigurationError} `ERR_KEY_USE` when the key lacks the operation
 */
export function requireOperation<Operation>(
  operation: Operation | undefined,
  use: keyof typeof REQUIREMENTS,
): Operation {
  if (operation === undefined) throw new ConfigurationError('ERR_KEY_USE', REQUIREMENTS[use])
  return operation
}
