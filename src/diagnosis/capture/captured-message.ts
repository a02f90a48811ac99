import { ConfigurationError } from '../../errors.ts'
import type { MessageKind } from '../../protocol/headers.ts'

/** What is known about a captured message. */
export interface Capture {
  readonly form: 'http' | 'curl' | 'har' | 'json'
  /** Undefined when the form does not show it. */
  readonly direction: MessageKind | undefined
  readonly method: string | undefined
  /** The request-target, as captured. */
  readonly path: string | undefined
  /** The HTTP status, of a response. */
  readonly status: number | undefined
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array
  /** When it was captured, in milliseconds since the epoch. */
  readonly capturedAt?: number | undefined
  /** What the capture has lost or changed, as sentences. */
  readonly notes: readonly string[]
}

/** What the readers of one form return. */
export type CaptureParts = Omit<Capture, 'form'>

/** The error for input that is not a message. It quotes nothing. */
export function notAMessage(message: string): ConfigurationError {
  return new ConfigurationError('ERR_REQUEST', message)
}
