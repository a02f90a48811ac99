import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { resolveEncryptionOptions } from '../../src/crypto/envelope.ts'
import { collectHeaders } from '../../src/protocol/headers.ts'
import { STRICT_JSON } from '../../src/protocol/json.ts'
import { type Credentials, parseCredentials } from '../../src/secure-message/credentials.ts'
import { parseFreshHead, verifyMessage } from '../../src/secure-message/verify.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, strangerRsa } from '../support/keys.ts'
import {
  encryptedRequest,
  encryptHeader,
  merchantCredentials,
  NOW,
  order,
  request,
  type TestRequest,
  withHeaders,
} from '../support/messages.ts'
import { rejectionOf, thrownBy } from '../support/thrown.ts'

const headOf = ({ headers }: TestRequest) =>
  parseFreshHead(collectHeaders(headers), 'request', { now: NOW, clockToleranceSeconds: 300 })

const verify = async (message: TestRequest, credentials: Credentials = merchantCredentials()) => {
  const { method, path, body } = message
  return await verifyMessage({ method, path, head: headOf(message), body }, parseCredentials(credentials), {
    encryption: { options: resolveEncryptionOptions(), randomBytes },
    json: STRICT_JSON,
  })
}

const codeOf = async (...args: Parameters<typeof verify>) =>
  ((await rejectionOf(verify(...args))) as Error & { code: string }).code

describe('verifyMessage', () => {
  test('returns the value of a signed message', async () => {
    expect(await verify(request())).toStrictEqual({ value: order() })
  })

  test('returns the value and the AES key size of an encrypted message', async () => {
    expect(await verify(encryptedRequest())).toStrictEqual({ value: order(), aesBits: 256 })
  })

  test('accepts application/json for an encrypted message', async () => {
    const verified = await verify(withHeaders(encryptedRequest(), { 'Content-Type': 'application/json' }))
    expect(verified.value).toStrictEqual(order())
  })

  test('accepts a signature with ECC224', async () => {
    const credentials = { ...merchantCredentials(), peerPublicKeys: { 1: gatewayEcc().publicKey } }
    expect((await verify(request({ key: gatewayEcc().privateKey }), credentials)).value).toStrictEqual(order())
  })

  test.each(['1', '2'])('verifies with the key version that the header names: %s', async (keyVersion) => {
    const keys = { 1: strangerRsa(), 2: gatewayRsa() }
    const credentials = {
      ...merchantCredentials(),
      peerPublicKeys: { 1: keys[1].publicKey, 2: keys[2].publicKey },
    }
    const key = (keyVersion === '1' ? keys[1] : keys[2]).privateKey
    expect((await verify(request({ key, keyVersion }), credentials)).value).toStrictEqual(order())
    expect(await codeOf(request({ key, keyVersion: keyVersion === '1' ? '2' : '1' }), credentials)).toBe(
      'ERR_SIGNATURE_INVALID',
    )
  })

  test.each(['', 'keyVersion=,'])(
    'verifies with the latest key when the header names no version: %j',
    async (version) => {
      const signed = request()
      const Signature = signed.headers['Signature']?.replace('keyVersion=1,', version)
      const peerPublicKeys = { 1: strangerRsa().publicKey, 2: gatewayRsa().publicKey }
      const message = withHeaders(signed, { Signature })
      expect((await verify(message, { ...merchantCredentials(), peerPublicKeys })).value).toStrictEqual(order())
      const older = { 1: gatewayRsa().publicKey, 2: strangerRsa().publicKey }
      expect(await codeOf(message, { ...merchantCredentials(), peerPublicKeys: older })).toBe('ERR_SIGNATURE_INVALID')
    },
  )
})

describe('verifyMessage, with several private keys,', () => {
  const ring = { 1: strangerRsa, 2: merchantRsa, 3: merchantEcc }
  const credentials = () => ({
    ...merchantCredentials(),
    privateKeys: { 1: ring[1]().privateKey, 2: ring[2]().privateKey, 3: ring[3]().privateKey },
  })
  const encryptedWith = (to: 1 | 2, named: string) => {
    const message = encryptedRequest({ encryptTo: ring[to]().publicKey })
    return withHeaders(message, { Encrypt: message.headers['Encrypt']?.replace('keyVersion=1,', named) })
  }

  test.each<[string, 1 | 2, string]>([
    ['version 1, named in the header', 1, 'keyVersion=1,'],
    ['version 2, named in the header', 2, 'keyVersion=2,'],
    ['the latest version that can decrypt, when the header names none', 2, ''],
  ])('decrypts with %s', async (_, to, named) => {
    expect((await verify(encryptedWith(to, named), credentials())).value).toStrictEqual(order())
  })

  test.each<[string, 1 | 2, string]>([
    ['names the version of another key', 1, 'keyVersion=2,'],
    ['names a version that cannot decrypt', 2, 'keyVersion=3,'],
    ['names a version that does not exist', 2, 'keyVersion=9,'],
    ['names no version, and an older key encrypted', 1, ''],
  ])('rejects with ERR_DECRYPTION when the header %s', async (_, to, named) => {
    expect(await codeOf(encryptedWith(to, named), credentials())).toBe('ERR_DECRYPTION')
  })

  test('rejects with ERR_KEY_USE when no key can decrypt', async () => {
    const only = { ...merchantCredentials(), privateKeys: { 1: merchantEcc().privateKey } }
    expect(await rejectionOf(verify(encryptedRequest(), only))).toMatchObject({
      code: 'ERR_KEY_USE',
      message: expect.stringContaining('Decryption needs an RSA key'),
    })
    expect((await verify(request(), only)).value).toStrictEqual(order())
  })
})

describe('verifyMessage, with a custom signer,', () => {
  const withSigner = (decrypt: (bytes: Uint8Array) => Promise<Uint8Array | undefined>) => ({
    ...merchantCredentials(),
    privateKeys: { 1: { algorithm: 'RSA256' as const, sign: () => Promise.resolve(new Uint8Array(256)), decrypt } },
  })

  test('rejects with ERR_DECRYPTION when the signer cannot decrypt the ciphertext', async () => {
    expect(
      await codeOf(
        encryptedRequest(),
        withSigner(() => Promise.resolve(undefined)),
      ),
    ).toBe('ERR_DECRYPTION')
  })

  test('rejects with the error of the signer when the signer fails', async () => {
    const down = new Error('the HSM is down')
    expect(
      await rejectionOf(
        verify(
          encryptedRequest(),
          withSigner(() => Promise.reject(down)),
        ),
      ),
    ).toBe(down)
  })
})

describe('before a signature is verified,', () => {
  test('parseFreshHead rejects bad headers and stale times without a body', () => {
    for (const changes of [
      { Signature: undefined },
      { Signature: 'signature=%' },
      { 'Request-Time': 'now' },
      { 'Request-Time': '2024-05-22T08:12:21+08:00' },
      { 'Content-Type': 'text/html' },
      { Encrypt: 'symmetricKey=' },
    ]) {
      expect(thrownBy(() => headOf(withHeaders(request(), changes)))).toMatchObject({ name: 'ProtocolError' })
    }
    expect(headOf(request())).toMatchObject({ sentAt: NOW })
  })

  test('verifyMessage decrypts and parses nothing', async () => {
    const decrypt = vi.fn(() => Promise.resolve(undefined))
    const privateKeys = { 1: { algorithm: 'RSA256' as const, sign: () => new Uint8Array(256), decrypt } }
    const credentials = { ...merchantCredentials(), privateKeys }
    for (const forged of [encryptedRequest({ key: strangerRsa().privateKey }), encryptedRequest({ keyVersion: '2' })]) {
      expect(await codeOf(forged, credentials)).toBe('ERR_SIGNATURE_INVALID')
    }
    expect(decrypt).not.toHaveBeenCalled()
    // Each of these messages is refused for its JSON when the peer signed it.
    for (const message of ['{', '{"a":1,"a":2}', `${'['.repeat(65)}${']'.repeat(65)}`, '[0.5]', Uint8Array.of(0xff)]) {
      expect(await codeOf(request({ message }), credentials)).toBe('ERR_JSON_INVALID')
      expect(await codeOf(request({ message, key: strangerRsa().privateKey }), credentials)).toBe(
        'ERR_SIGNATURE_INVALID',
      )
    }
    expect(await codeOf(encryptedRequest(), credentials)).toBe('ERR_DECRYPTION')
    expect(decrypt).toHaveBeenCalledOnce()
  })

  test('verifyMessage names what the signature is over when it does not verify', async () => {
    const forged = request({ key: strangerRsa().privateKey })
    expect((await rejectionOf(verify(forged))).message).toBe(
      'The signature does not verify with the configured key for this method, path, Client-Id, time and body.',
    )
  })

  test('verifyMessage rejects another algorithm in the header than the key has', async () => {
    const { headers, ...rest } = request({ key: gatewayEcc().privateKey })
    const asRsa = { Signature: headers['Signature']?.replace('ECC224', 'RSA256') }
    const credentials = { ...merchantCredentials(), peerPublicKeys: { 1: gatewayEcc().publicKey } }
    expect(await codeOf(withHeaders({ headers, ...rest }, asRsa), credentials)).toBe('ERR_SIGNATURE_INVALID')
    expect((await verify({ headers, ...rest }, credentials)).value).toStrictEqual(order())
  })
})

describe('a failed decryption', () => {
  const withAesKey = (aesKey: Uint8Array) =>
    withEncryptHeader(encryptedRequest(), encryptHeader(aesKey, merchantRsa().publicKey))
  const withEncryptHeader = (message: TestRequest, Encrypt: string) => withHeaders(message, { Encrypt })

  test('has the same error for wrong padding, key length, ciphertext, version and plaintext', async () => {
    const failures = [
      withAesKey(randomBytes(32)),
      withAesKey(randomBytes(20)),
      withAesKey(randomBytes(0)),
      encryptedRequest({ encryptTo: strangerRsa().publicKey }),
      withEncryptHeader(encryptedRequest(), 'symmetricKey=AAAA'),
      withEncryptHeader(encryptedRequest(), `symmetricKey=${Buffer.alloc(256, 255).toString('base64')}`),
      withEncryptHeader(
        encryptedRequest(),
        encryptedRequest().headers['Encrypt']?.replace('keyVersion=1', 'keyVersion=7') ?? '',
      ),
      withHeaders(request(), { Encrypt: encryptedRequest().headers['Encrypt'] }),
      encryptedRequest({ message: '[]' }),
      encryptedRequest({ message: '"{}"' }),
      encryptedRequest({ message: '' }),
      encryptedRequest({ message: Uint8Array.of(0xff) }),
      encryptedRequest({ message: '['.repeat(100) }),
      encryptedRequest({ message: '['.repeat(100) + ']'.repeat(100) }),
      encryptedRequest({ message: '{"a":'.repeat(100) }),
    ]
    const errors = await Promise.all(failures.map((message) => rejectionOf(verify(message))))
    const shapes = errors.map((error) => ({ ...error, message: error.message, cause: error.cause }))
    expect(new Set(shapes.map((shape) => digest(shape))).size).toBe(1)
    expect(shapes[0]).toMatchObject({ code: 'ERR_DECRYPTION', cause: undefined })
  })

  test('is not the error for decrypted JSON that is not strict', async () => {
    expect(await codeOf(encryptedRequest({ message: '{"a":1,"a":2}' }))).toBe('ERR_JSON_INVALID')
    const tooDeep = `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`
    expect(await codeOf(encryptedRequest({ message: tooDeep }))).toBe('ERR_JSON_INVALID')
  })
})

const digest = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex')
