import type { ErrorCode } from '../errors.ts'
import type { SignatureAlgorithm } from '../protocol/headers.ts'
import type { ExplainedCause } from './opening.ts'

/** A rule of the message schema that a captured message breaks. */
export interface ExplainedIssue {
  /** A JSON Pointer (RFC 6901) into the body after decryption: `/amount/value`. Empty for the body as a whole. */
  readonly pointer: string
  /** What the rule requires. */
  readonly expected: string
}

/**
 * The parts of a captured message, with the verdict. It has no key, no signature and, without `showData`, no customer data:
 * letters are x, digits are 0.
 */
export interface Explanation {
  /** Whether the handler (for a request) or the client (for a response) accepts the headers, the time and the signature. */
  readonly verified: boolean
  /**
   * Why it is not accepted, the most likely cause first. If several changes are needed together, all of them are listed.
   * Empty when it is accepted, and when no cause was found.
   */
  readonly causes: readonly ExplainedCause[]
  /** The error of the handler or the client. Absent when the message is accepted. */
  readonly error?: { readonly code: ErrorCode; readonly message: string }
  /** Other observations, as sentences. */
  readonly notes: readonly string[]
  /** How the message was captured. */
  readonly form: 'http' | 'curl' | 'har' | 'json'
  readonly direction: 'request' | 'response'
  /** The method and the path that the signature is verified for; values of a query string are hidden. */
  readonly method: string
  readonly path: string
  /** Values that may be secret are hidden. */
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  /** Absent when there is no time header. */
  readonly time?: {
    readonly header: 'Request-Time' | 'Response-Time'
    readonly text: string
    /** In ISO 8601, when the text is a time. */
    readonly sentAt?: string
    /** Seconds that the time is behind the clock; negative when it is ahead. */
    readonly ageSeconds?: number
    readonly isFresh: boolean
  }
  /** Absent when there is no `Signature` header. */
  readonly signature?: {
    readonly algorithm?: string
    readonly keyVersion?: string
    /** The length of the signature; absent when it cannot be decoded. */
    readonly bytes?: number
  }
  /** The key of the peer that the header names, if it exists. */
  readonly key?: { readonly version: string; readonly algorithm: SignatureAlgorithm; readonly fingerprint?: string }
  readonly signed: {
    /** The text that the signature should cover, with visible control characters: ␊ is a line feed. */
    readonly expected: string
    /** The text that the sender signed, if a cause was found. */
    readonly found?: string
    /** SHA-256 of the expected text, in hex: the sender can compare it with the digest of its own text. */
    readonly sha256: string
  }
  readonly body: {
    readonly bytes: number
    readonly isEncrypted: boolean
    /** The body after decryption. Absent when it is not encrypted, or cannot be decrypted. */
    readonly plaintext?: string
  }
  /** What the message schema does not allow. */
  readonly issues: readonly ExplainedIssue[]
  /** How many texts were compared with the signature to find the causes. */
  readonly trials: number
}
