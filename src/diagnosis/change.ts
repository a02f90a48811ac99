import { printable } from '../errors.ts'
import { type SignedHead, signedContent } from '../protocol/signed-content.ts'

/**
 * The code of a cause: the difference between the signed message and the received message.
 * Codes are added, never renamed or reused.
 */
export type CauseCode =
  | 'path'
  | 'client-id'
  | 'time'
  | 'method'
  | 'body-whitespace'
  | 'body-key-order'
  | 'body-escaping'
  | 'body-charset'
  | 'body-bom'
  | 'body-newline'
  | 'body-base64'
  | 'body-json-string'
  | 'body-url-encoded'
  | 'body-empty'
  | 'body-compressed'
  | 'signature-encoding'
  | 'signature-form'
  | 'signed-content'
  | 'algorithm'
  | 'digest'
  | 'padding'
  | 'key-version'
  | 'wrong-key-of-ours'
  | 'plaintext-signed'
  | 'header'
  | 'expired'

/** The parts that a signature covers, and how they are joined. */
export interface SignedParts extends SignedHead {
  readonly body: Uint8Array
  /** Joins the parts. */
  readonly layout: (parts: SignedParts) => Uint8Array
  /** A transformation of the content before it is signed. The protocol has none. */
  readonly digest: (content: Uint8Array) => Uint8Array
}

/** The parts that one change can affect. Two changes of the same part are combined only for the body. */
export type Part = 'method' | 'path' | 'clientId' | 'time' | 'body' | 'layout' | 'digest'

/** One change of the message with which the signature may verify. */
export interface Change {
  readonly code: CauseCode
  readonly part: Part
  /** How unlikely the change is, from 1 on: likely changes are tried first. */
  readonly cost: number
  /** What happened and how to fix it, as sentences. */
  readonly fix: string
  /** Undefined when the change makes no difference, or cannot be made. */
  readonly apply: (parts: SignedParts) => SignedParts | undefined
}

/** The content as the protocol signs it. */
export const standardLayout = (parts: SignedParts): Uint8Array => signedContent(parts, parts.body)

/** Signs the content itself, not a digest of it. */
export const noDigest = (content: Uint8Array): Uint8Array => content

/** The bytes that the signature algorithm gets. */
export const contentOf = (parts: SignedParts): Uint8Array => parts.digest(parts.layout(parts))

/** A change of one part of the first two lines. */
export function headChange<Name extends 'method' | 'path' | 'clientId' | 'time'>(
  part: Name,
  value: string,
  { code, cost, fix }: Pick<Change, 'code' | 'cost' | 'fix'>,
): Change {
  return { code, part, cost, fix, apply: (parts) => (parts[part] === value ? undefined : { ...parts, [part]: value }) }
}

/** A path for a message. A path can contain anything that the HTTP layer accepts, and its query string a token. */
export function shownPath(path: string): string {
  return printable(path.replace(/=[^&]*/g, '=…'), 200)
}
