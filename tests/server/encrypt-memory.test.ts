import { randomBytes } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { collectHeaders, parseMessageHead } from '../../src/protocol/headers.ts'
import { createEncryptMemory } from '../../src/server/encrypt-memory.ts'
import { merchantRsa } from '../support/keys.ts'
import { merchant, SUCCESS, summarize } from '../support/merchant.ts'
import {
  encryptedRequest,
  encryptHeader,
  merchantCredentials,
  NOW,
  request,
  type TestRequest,
  withHeaders,
} from '../support/messages.ts'
import { thrownBy } from '../support/thrown.ts'

const otherKey = (message: TestRequest) =>
  withHeaders(message, { Encrypt: encryptHeader(randomBytes(32), merchantRsa().publicKey) })

describe('a captured message with another Encrypt header', () => {
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
    expect(summarize(await handler(captured))).toStrictEqual({ ...SUCCESS, encrypted: true })
    expect(decrypt).toHaveBeenCalledOnce()
    for (let times = 0; times < 3; times++) {
      expect(summarize(await handler(otherKey(captured)))).toMatchObject({
        status: 401,
        resultCode: 'INVALID_SIGNATURE',
        signed: false,
      })
    }
    expect(decrypt).toHaveBeenCalledOnce()
    expect(events.slice(1)).toMatchObject(Array(3).fill({ kind: 'rejected', code: 'ERR_ENCRYPT_CHANGED' }))
    // The message itself is still accepted: a retry is a replay.
    expect(summarize(await handler(captured))).toStrictEqual({ ...SUCCESS, encrypted: true })
  })
})

describe('createEncryptMemory', () => {
  const headOf = ({ headers }: TestRequest) => parseMessageHead(collectHeaders(headers), 'request')
  const TOLERANCE_SECONDS = 300

  test('accepts the same header again, and every message that is not encrypted', () => {
    const { assertUnchanged } = createEncryptMemory(TOLERANCE_SECONDS)
    for (const head of [headOf(encryptedRequest()), headOf(request())]) {
      assertUnchanged(head, NOW)
      assertUnchanged(head, NOW)
    }
  })

  test('forgets a signature when its time is no longer accepted', () => {
    const { assertUnchanged } = createEncryptMemory(TOLERANCE_SECONDS)
    const captured = encryptedRequest()
    assertUnchanged(headOf(captured), NOW)
    const changed = headOf(otherKey(captured))
    expect(thrownBy(() => assertUnchanged(changed, NOW + 299_000))).toMatchObject({ code: 'ERR_ENCRYPT_CHANGED' })
    // Another message makes room.
    assertUnchanged(headOf(encryptedRequest({ path: '/other' })), NOW + 300_001)
    expect(() => assertUnchanged(changed, NOW + 300_001)).not.toThrow()
  })

  test('remembers 10,000 signatures, and forgets the oldest first', () => {
    const { assertUnchanged } = createEncryptMemory(TOLERANCE_SECONDS)
    const head = headOf(encryptedRequest())
    const numbered = (number: number, symmetricKey = Buffer.from('key')) => ({
      ...head,
      signature: { ...head.signature, signature: Buffer.from(String(number)) },
      encrypt: { algorithm: 'RSA_AES' as const, symmetricKey },
    })
    for (let number = 0; number <= 10_000; number++) assertUnchanged(numbered(number), NOW)
    const other = Buffer.from('other')
    expect(() => assertUnchanged(numbered(0, other), NOW)).not.toThrow()
    expect(thrownBy(() => assertUnchanged(numbered(10_000, other), NOW))).toMatchObject({ code: 'ERR_ENCRYPT_CHANGED' })
  })
})
