import { expect, test } from 'vitest'
import { requireOperation } from '../../src/crypto/key-use.ts'
import { thrownBy } from '../support/thrown.ts'

test('requireOperation returns the operation of a key', () => {
  const wrap = () => new Uint8Array()
  expect(requireOperation(wrap, 'encryption')).toBe(wrap)
})

test.each([
  ['encryption', 'Encryption needs an RSA key, given in any form but a CryptoKey.'],
  ['decryption', 'Decryption needs an RSA key, given in any form but a CryptoKey, or a signer with "decrypt".'],
] as const)('requireOperation throws ERR_KEY_USE for a key without %s, and says which keys have it', (use, message) => {
  expect(thrownBy(() => requireOperation(undefined, use))).toMatchObject({
    name: 'ConfigurationError',
    code: 'ERR_KEY_USE',
    message,
  })
})
