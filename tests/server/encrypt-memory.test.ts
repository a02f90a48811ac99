import { randomBytes } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { collectHeaders, parseMessageHead } from '../../src/protocol/headers.ts'
import { createEncryptMemory } from '../../src/server/encrypt-memory.ts'
import { merchantRsa } from '../support/keys.ts'
import { merchant, SUCCESS, summarize } from '../support/merchant.ts'
import {
  CLIENT_ID,
  encryptedRequest,
  encryptHeader,
  merchantCredentials,
  NOW,
  order,
  request,
  type TestRequest,
  withHeaders,
} from '../support/messages.ts'
import { thrownBy } from '../support/thrown.ts'

const otherKey = (message: TestRequest) =>
  withHeaders(message, { Encrypt: encryptHeader(randomBytes(32), merchantRsa().publicKey) })

describe('a captured message with a changed Encrypt header', () => {
  test('is rejected without a private-key operation, and the response is not signed', async () => {
    const { privateKey } = merchantRsa()
    const { createSign, privateDecrypt, constants } = await import('node:crypto')
    const decrypt = vi.fn((bytes: Uint8Array) => {
      const block = privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, bytes)
      return block.subarray(block.indexOf(0, 2) + 1)
    })
    const signer = {
      algorithm: 'RSA256' as const,
      sign: (bytes: Uint8Array) => createSign('sha256').update(bytes).sign(privateKey),
      decrypt,
    }
    const { handler, events } = merchant({ credentials: { ...merchantCredentials(), privateKeys: { 1: signer } } })
    const captured = encryptedRequest()
    const other = encryptedRequest({ message: order({ requestId: 'other', merchantBizNo: 'other' }) })
    for (const genuine of [captured, other])
      expect(summarize(await handler(genuine))).toStrictEqual({ ...SUCCESS, encrypted: true })
    expect(decrypt).toHaveBeenCalledTimes(2)
    for (let times = 0; times < 3; times++) {
      expect(summarize(await handler(otherKey(captured)))).toMatchObject({
        status: 401,
        resultCode: 'INVALID_SIGNATURE',
        signed: false,
      })
    }
    expect(decrypt).toHaveBeenCalledTimes(2)
    expect(events.slice(2)).toMatchObject(Array(3).fill({ kind: 'rejected', code: 'ERR_ENCRYPT_CHANGED' }))
    // The message itself is still accepted: a retry is a replay.
    expect(summarize(await handler(captured))).toStrictEqual({ ...SUCCESS, encrypted: true })
  })
})

describe('createEncryptMemory', () => {
  const LIMITS = { clockToleranceSeconds: 300, maxArrivalMs: 10_000 }
  const received = ({ method, path, headers, body }: TestRequest) => ({
    method,
    path,
    head: parseMessageHead(collectHeaders(headers), 'request'),
    body,
  })
  const create = () => {
    const { assertUnchanged } = createEncryptMemory()
    return (message: ReturnType<typeof received>, now = NOW) => assertUnchanged(message, CLIENT_ID, { ...LIMITS, now })
  }

  test('accepts the same message again, encrypted or not', () => {
    const assertUnchanged = create()
    for (const message of [received(encryptedRequest()), received(request())]) {
      assertUnchanged(message)
      assertUnchanged(message)
    }
  })

  test('rejects a plaintext message with an added Encrypt header', () => {
    const assertUnchanged = create()
    assertUnchanged(received(request()))
    const message = 'The same signed content was sent before with another Encrypt header.'
    expect(thrownBy(() => assertUnchanged(received(otherKey(request()))))).toMatchObject({
      ...{ code: 'ERR_ENCRYPT_CHANGED', message },
    })
  })

  test('rejects the same content with another Encrypt header, for every form of its signature', () => {
    const assertUnchanged = create()
    const captured = encryptedRequest()
    assertUnchanged(received(captured))
    const changed = received(otherKey(captured))
    const resigned = { ...changed, head: { ...changed.head, signature: received(request()).head.signature } }
    expect(thrownBy(() => assertUnchanged(resigned))).toMatchObject({ code: 'ERR_ENCRYPT_CHANGED' })
  })

  test('forgets a message when its time is no longer accepted, and no body of that time can be incomplete', () => {
    const assertUnchanged = create()
    const captured = encryptedRequest()
    assertUnchanged(received(captured))
    const changed = received(otherKey(captured))
    // Another message makes room.
    assertUnchanged(received(encryptedRequest({ path: '/a' })), NOW + 309_999)
    expect(thrownBy(() => assertUnchanged(changed, NOW + 309_999))).toMatchObject({ code: 'ERR_ENCRYPT_CHANGED' })
    assertUnchanged(received(encryptedRequest({ path: '/b' })), NOW + 310_000)
    expect(() => assertUnchanged(changed, NOW + 310_000)).not.toThrow()
  })

  test('remembers 10,000 messages, and forgets the oldest first', () => {
    const assertUnchanged = create()
    const message = received(encryptedRequest())
    const numbered = (number: number, symmetricKey = Buffer.from('key')) => ({
      ...message,
      path: `/${number}`,
      head: { ...message.head, encrypt: { algorithm: 'RSA_AES' as const, symmetricKey } },
    })
    for (let number = 0; number <= 10_000; number++) assertUnchanged(numbered(number))
    const other = Buffer.from('other')
    expect(() => assertUnchanged(numbered(0, other))).not.toThrow()
    expect(thrownBy(() => assertUnchanged(numbered(10_000, other)))).toMatchObject({ code: 'ERR_ENCRYPT_CHANGED' })
  })
})
