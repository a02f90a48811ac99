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

describe('a message that the peer has signed is opened', () => {
  test('in the clear', async () => {
    expect(await verify(request())).toStrictEqual({ value: order() })
  })

  test('encrypted', async () => {
    expect(await verify(encryptedRequest())).toStrictEqual({ value: order(), aesBits: 256 })
  })

  test('encrypted, under application/json', async () => {
    const verified = await verify(withHeaders(encryptedRequest(), { 'Content-Type': 'application/json' }))
    expect(verified.value).toStrictEqual(order())
  })

  test('signed with ECC224', async () => {
    const credentials = { ...merchantCredentials(), peerPublicKeys: { 1: gatewayEcc().publicKey } }
    expect((await verify(request({ key: gatewayEcc().privateKey }), credentials)).value).toStrictEqual(order())
  })

  test.each(['1', '2'])('signed with any version of the ring: %s', async (keyVersion) => {
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

  test.each(['', 'keyVersion=,'])('signed with the latest version where the header names none: %j', async (version) => {
    const signed = request()
    const Signature = signed.headers['Signature']?.replace('keyVersion=1,', version)
    const peerPublicKeys = { 1: strangerRsa().publicKey, 2: gatewayRsa().publicKey }
    const message = withHeaders(signed, { Signature })
    expect((await verify(message, { ...merchantCredentials(), peerPublicKeys })).value).toStrictEqual(order())
    const older = { 1: gatewayRsa().publicKey, 2: strangerRsa().publicKey }
    expect(await codeOf(message, { ...merchantCredentials(), peerPublicKeys: older })).toBe('ERR_SIGNATURE_INVALID')
  })
})

describe('encrypted to one of several keys of ours', () => {
  const ring = { 1: strangerRsa, 2: merchantRsa, 3: merchantEcc }
  const credentials = () => ({
    ...merchantCredentials(),
    privateKeys: { 1: ring[1]().privateKey, 2: ring[2]().privateKey, 3: ring[3]().privateKey },
  })
  const sealed = (to: 1 | 2, named: string) => {
    const message = encryptedRequest({ encryptTo: ring[to]().publicKey })
    return withHeaders(message, { Encrypt: message.headers['Encrypt']?.replace('keyVersion=1,', named) })
  }

  test.each<[string, 1 | 2, string]>([
    ['the version that the header names', 1, 'keyVersion=1,'],
    ['another version that the header names', 2, 'keyVersion=2,'],
    ['the latest that can decrypt, where it names none', 2, ''],
  ])('%s', async (_, to, named) => {
    expect((await verify(sealed(to, named), credentials())).value).toStrictEqual(order())
  })

  test.each<[string, 1 | 2, string]>([
    ['a version that is another key', 1, 'keyVersion=2,'],
    ['a version that cannot decrypt', 2, 'keyVersion=3,'],
    ['a version that does not exist', 2, 'keyVersion=9,'],
    ['an older key where it names none', 1, ''],
  ])('not: %s', async (_, to, named) => {
    expect(await codeOf(sealed(to, named), credentials())).toBe('ERR_DECRYPTION')
  })

  test('with no key that can decrypt, the configuration is at fault', async () => {
    const only = { ...merchantCredentials(), privateKeys: { 1: merchantEcc().privateKey } }
    expect(await codeOf(encryptedRequest(), only)).toBe('ERR_KEY_USE')
    expect((await verify(request(), only)).value).toStrictEqual(order())
  })
})

describe('a signer, whose key is elsewhere', () => {
  const signer = (decrypt: (bytes: Uint8Array) => Promise<Uint8Array | undefined>) => ({
    ...merchantCredentials(),
    privateKeys: { 1: { algorithm: 'RSA256' as const, sign: () => Promise.resolve(new Uint8Array(256)), decrypt } },
  })

  test('that refuses the ciphertext is a failure of decryption', async () => {
    expect(
      await codeOf(
        encryptedRequest(),
        signer(() => Promise.resolve(undefined)),
      ),
    ).toBe('ERR_DECRYPTION')
  })

  test('that is out of reach is no fault of the peer', async () => {
    const down = new Error('the HSM is down')
    expect(
      await rejectionOf(
        verify(
          encryptedRequest(),
          signer(() => Promise.reject(down)),
        ),
      ),
    ).toBe(down)
  })
})

describe('the order of the steps', () => {
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

  test('nothing is decrypted or parsed before the signature has verified', async () => {
    const decrypt = vi.fn(() => Promise.resolve(undefined))
    const privateKeys = { 1: { algorithm: 'RSA256' as const, sign: () => new Uint8Array(256), decrypt } }
    const credentials = { ...merchantCredentials(), privateKeys }
    const parse = vi.spyOn(JSON, 'parse')
    for (const forged of [encryptedRequest({ key: strangerRsa().privateKey }), encryptedRequest({ keyVersion: '2' })]) {
      expect(await codeOf(forged, credentials)).toBe('ERR_SIGNATURE_INVALID')
    }
    expect(await codeOf(request({ message: '{', key: strangerRsa().privateKey }), credentials)).toBe(
      'ERR_SIGNATURE_INVALID',
    )
    expect(decrypt).not.toHaveBeenCalled()
    expect(parse).not.toHaveBeenCalled()
    expect(await codeOf(encryptedRequest(), credentials)).toBe('ERR_DECRYPTION')
    expect(decrypt).toHaveBeenCalledOnce()
  })

  test('the algorithm of the header must be that of the key', async () => {
    const { headers, ...rest } = request({ key: gatewayEcc().privateKey })
    const asRsa = { Signature: headers['Signature']?.replace('ECC224', 'RSA256') }
    const credentials = { ...merchantCredentials(), peerPublicKeys: { 1: gatewayEcc().publicKey } }
    expect(await codeOf(withHeaders({ headers, ...rest }, asRsa), credentials)).toBe('ERR_SIGNATURE_INVALID')
    expect((await verify({ headers, ...rest }, credentials)).value).toStrictEqual(order())
  })
})

describe('all failures of decryption are one and the same error', () => {
  const encrypt = (aesKey: Uint8Array) => withSigned(encryptedRequest(), encryptHeader(aesKey, merchantRsa().publicKey))
  const withSigned = (message: TestRequest, Encrypt: string) => withHeaders(message, { Encrypt })

  test('padding, key length, ciphertext, version, and what is inside', async () => {
    const failures = [
      encrypt(randomBytes(32)),
      encrypt(randomBytes(20)),
      encrypt(randomBytes(0)),
      encryptedRequest({ encryptTo: strangerRsa().publicKey }),
      withSigned(encryptedRequest(), 'symmetricKey=AAAA'),
      withSigned(encryptedRequest(), `symmetricKey=${Buffer.alloc(256, 255).toString('base64')}`),
      withSigned(
        encryptedRequest(),
        encryptedRequest().headers['Encrypt']?.replace('keyVersion=1', 'keyVersion=7') ?? '',
      ),
      withHeaders(request(), { Encrypt: encryptedRequest().headers['Encrypt'] }),
      encryptedRequest({ message: '[]' }),
      encryptedRequest({ message: '"{}"' }),
      encryptedRequest({ message: '' }),
      encryptedRequest({ message: Uint8Array.of(0xff) }),
    ]
    const errors = await Promise.all(failures.map((message) => rejectionOf(verify(message))))
    const seen = errors.map((error) => ({ ...error, message: error.message, cause: error.cause }))
    expect(new Set(seen.map((shape) => digest(shape))).size).toBe(1)
    expect(seen[0]).toMatchObject({ code: 'ERR_DECRYPTION', cause: undefined })
  })

  test('while JSON that opens, and is not strict, says what is wrong with it', async () => {
    expect(await codeOf(encryptedRequest({ message: '{"a":1,"a":2}' }))).toBe('ERR_JSON_INVALID')
  })
})

const digest = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex')
