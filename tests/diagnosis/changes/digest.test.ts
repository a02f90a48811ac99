import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { digestChanges } from '../../../src/diagnosis/changes/digest.ts'
import { RECEIVED, signedInstead } from './signed-instead.ts'

const text = Buffer.from(`POST /p\n${RECEIVED.clientId}.${RECEIVED.time}.body`)
const digest = createHash('sha256').update(text).digest()

test('digestChanges tries the digests that a sender may take before it signs, and no other', () => {
  const fix = (what: string) =>
    `The sender signed ${what}. Sign the text itself: the signature algorithm hashes it once, with SHA-256. If a KMS signs a digest, set its message type to digest.`
  const expected: readonly (readonly [what: string, content: Buffer])[] = [
    ['the SHA-256 digest of the text, which is hashed again', digest],
    ['the SHA-256 digest of the text in hex', Buffer.from(digest.toString('hex'))],
    ['the SHA-256 digest of the text in hex, in upper case', Buffer.from(digest.toString('hex').toUpperCase())],
    ['the SHA-256 digest of the text in base64', Buffer.from(digest.toString('base64'))],
    ['the signed text in base64', Buffer.from(text.toString('base64'))],
  ]
  expect(new Set(digestChanges().map(({ part }) => part))).toEqual(new Set(['digest']))
  expect(signedInstead(digestChanges())).toEqual(
    expected.map(([what, content]) => ({ code: 'digest', fix: fix(what), content })),
  )
})
