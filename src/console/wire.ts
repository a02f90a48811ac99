/** What the server of the console sends to its page. Types only: both sides import them. */

/** A received delivery (`in`), or a sent order (`out`), as a line of the inbox. */
export interface Row {
  readonly id: string
  /** Greater for each change of any row. */
  readonly version: number
  readonly direction: 'in' | 'out'
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly kind: string
  readonly code: string
  readonly message?: string | undefined
  /** The HTTP status. Absent when nothing was received. */
  readonly status?: number | undefined
  readonly resultCode?: string | undefined
  readonly durationMs: number
  /** The order number, masked unless the tab shows data. Absent when it is not known. */
  readonly order?: string | undefined
  /** Whether the order number comes from a message that did not verify. */
  readonly isClaimed?: true | undefined
  /** The same for all rows of one order. It reveals nothing about the order. */
  readonly group?: string | undefined
  readonly orderStatus?: string | undefined
  readonly requestId?: string | undefined
  readonly tracerId?: string | undefined
  readonly clientId?: string | undefined
  readonly encrypted?: boolean | undefined
  /** `orderModifyTime`, as sent. */
  readonly eventTime?: number | undefined
  /** `orderModifyTime` of the last processed event of the order. */
  readonly lastEventTime?: number | undefined
  readonly contentDiffers?: boolean | undefined
  readonly clockSkewMs?: number | undefined
  readonly attempts?: number | undefined
}

/** A header, and the parts of its value. */
export interface ShownHeader {
  readonly name: string
  readonly value: string
}

/** The bytes that are shown. */
export interface ShownBytes {
  /** The total number of bytes. */
  readonly size: number
  /** The first of them, in base64. Absent when the console has dropped them to save memory. */
  readonly base64?: string
  /** Whether letters and digits are replaced. */
  readonly isMasked: boolean
}

/** A phase of a delivery, in milliseconds since it was received. */
export interface Span {
  readonly name: string
  readonly from: number
  readonly to: number
}

export interface ShownResponse {
  readonly status: number
  readonly headers: readonly ShownHeader[]
  readonly body: ShownBytes
}

/** The part of the result of `explainRequest()` that the page shows. */
export interface Verdict {
  readonly verified: boolean
  readonly causes: readonly { readonly code: string; readonly fix: string }[]
  readonly error?: { readonly code: string; readonly message: string }
  readonly notes: readonly string[]
  readonly issues: readonly { readonly pointer: string; readonly expected: string }[]
  readonly time?: {
    readonly header: string
    readonly text: string
    readonly sentAt?: string
    readonly ageSeconds?: number
    readonly isFresh: boolean
  }
  readonly signature?: { readonly algorithm?: string; readonly keyVersion?: string; readonly bytes?: number }
  readonly key?: { readonly version: string; readonly algorithm: string; readonly fingerprint?: string }
  /** The text that was signed, if a cause was found. */
  readonly foundText?: string
  readonly sha256: string
  readonly trials: number
}

/** Everything about one delivery. */
export interface Detail {
  readonly row: Row
  readonly request: { readonly method: string; readonly path: string; readonly headers: readonly ShownHeader[] }
  readonly spans: readonly Span[]
  /** The bytes that the signature must cover. Absent if the time or the caller is unknown. */
  readonly signed?: ShownBytes
  readonly body: ShownBytes
  /** Absent when the message was not encrypted, or could not be decrypted. */
  readonly plaintext?: ShownBytes
  readonly response?: ShownResponse
  readonly verdict?: Verdict
  /** The suggested fix. Absent if nothing is wrong. */
  readonly fix?: string
  /** The enumerable members of its events, as they are in the log. */
  readonly events: readonly Record<string, unknown>[]
  /** What `replay` can do. */
  readonly replay: { readonly same: boolean; readonly signed: boolean }
}

/** What the console can do. The first message of the stream. */
export interface About {
  readonly capacity: number
  readonly canSendAsPeer: boolean
  readonly hasHandler: boolean
  readonly hasClient: boolean
  readonly hasOutbox: boolean
  readonly isRecording: boolean
}

/** Changed rows, oldest first. */
export interface Batch {
  readonly rows: readonly Row[]
}

/** One minute of the charts. */
export interface Minute {
  /** Its start, in milliseconds since the epoch. */
  readonly at: number
  readonly kinds: Readonly<Record<string, number>>
  readonly p50?: number
  readonly p99?: number
  /** The clock skew of the peer, in milliseconds. */
  readonly skew?: { readonly min: number; readonly max: number }
}

/** The outcome of one request that the console has sent. */
export interface SentResult {
  readonly status?: number
  readonly resultCode?: string
  readonly orderId?: string
  readonly signed?: boolean
  /** Why there is no response. */
  readonly error?: string
}

export const SEND_SCENARIOS = ['order', 'encrypted', 'duplicate', 'older', 'tampered', 'burst'] as const
export type SendScenario = (typeof SEND_SCENARIOS)[number]

export interface SendCommand {
  readonly scenario: SendScenario
  /** `peer`: to your handler, as AlipayHK. `client`: to AlipayHK, with your client. */
  readonly as: 'peer' | 'client'
  readonly order: Readonly<Record<string, unknown>>
}

export interface OutboxState {
  readonly waiting: number
  readonly inFlight: number
  readonly failed: number
  /** Milliseconds since the oldest waiting event was enqueued. */
  readonly oldestWaitingMs?: number
  readonly failures: readonly FailedItem[]
}

export interface FailedItem {
  readonly id: string
  readonly requestId: string
  /** Masked unless the tab shows data. Absent when it cannot be decrypted. */
  readonly order?: string
  readonly code: string
  readonly attempts: number
  /** Milliseconds since the epoch. */
  readonly failedAt: number
}
