import { type Change, contentOf, noDigest, type SignedParts, standardLayout } from '../../../src/diagnosis/change.ts'
import { bytesOf } from '../../support/messages.ts'

/** A received message with short parts. */
export const RECEIVED: SignedParts = {
  method: 'POST',
  path: '/p',
  clientId: 'Cid-1',
  time: '2024-05-22T09:12:21+08:00',
  body: bytesOf('body'),
  layout: standardLayout,
  digest: noDigest,
}

/** What the sender signed instead of the received content, if the explanation of a change is right. */
export interface SignedInstead {
  readonly code: string
  readonly fix: string
  readonly content: Buffer
}

/** The changes that make a difference to a message, with the content that each of them leads to. */
export function signedInstead(changes: readonly Change[], received: Partial<SignedParts> = {}): SignedInstead[] {
  return changes.flatMap(({ code, fix, apply }) => {
    const parts = apply({ ...RECEIVED, ...received })
    return parts === undefined ? [] : [{ code, fix, content: Buffer.from(contentOf(parts)) }]
  })
}

/** Explanation and signed body of every change of the body that makes a difference, as text. */
export function bodiesSignedInstead(
  changes: readonly Change[],
  body: string | Uint8Array,
  encoding: BufferEncoding = 'utf8',
): (readonly [fix: string, body: string])[] {
  const layout = (parts: SignedParts) => parts.body
  return signedInstead(changes, { body: bytesOf(body), layout }).map(({ fix, content }) => [
    fix,
    content.toString(encoding),
  ])
}
