import { ConfigurationError } from '../errors.ts'

/** The members of an RSA JWK that are numbers. */
const NUMBERS = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi']

/**
 * Refuses an RSA JWK that does not have the numbers of its key in canonical base64url, without padding. Decoders skip
 * other characters, so they would read a damaged JWK as another key.
 *
 * @param subject The beginning of the error message: `privateKeys[1] is a JWK with`.
 * @throws {@link ConfigurationError} `ERR_KEY_FORMAT`
 * @see docs/protocol.md section 3.2
 */
export function assertStrictJwk(jwk: Readonly<Record<string, unknown>>, subject: string): void {
  const required = 'd' in jwk ? ['n', 'e', 'd'] : ['n', 'e']
  const isPresent = (name: string) => jwk[name] !== undefined
  const hasAll = required.every(isPresent)
  const isStrict = NUMBERS.filter(isPresent).every((name) => isBase64url(jwk[name]))
  // "oth" has the primes after the second, which node:crypto and jose do not support.
  if (!hasAll || !isStrict || isPresent('oth')) throw malformedJwk(subject)
}

/** The one error for a JWK that is not a complete key. */
export function malformedJwk(subject: string): ConfigurationError {
  return new ConfigurationError('ERR_KEY_FORMAT', `${subject} missing or malformed members.`)
}

function isBase64url(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && Buffer.from(value, 'base64url').toString('base64url') === value
}
