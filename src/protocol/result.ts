/**
 * The result codes of the protocol: the status each has, and the message we send with it.
 * `S` succeeded, `F` failed for good, `U` unknown: try later.
 *
 * @see docs/protocol.md section 6
 */
export const RESULTS = {
  SUCCESS: { status: 'S', message: 'success' },
  UNKNOWN_EXCEPTION: { status: 'U', message: 'Unknown error. Try again later.' },
  PARAM_ILLEGAL: { status: 'F', message: 'Illegal parameters.' },
  INVALID_SIGNATURE: { status: 'F', message: 'The signature is invalid.' },
  INVALID_CLIENT: { status: 'F', message: 'The client is invalid.' },
  KEY_NOT_FOUND: { status: 'F', message: 'The key is not found.' },
  ACCESS_DENIED: { status: 'F', message: 'Access is denied.' },
  PROCESS_FAIL: { status: 'F', message: 'The order could not be processed.' },
  METHOD_NOT_SUPPORTED: { status: 'F', message: 'The method is not supported.' },
  MEDIA_TYPE_NOT_ACCEPTABLE: { status: 'F', message: 'The media type is not acceptable.' },
  REQUEST_TRAFFIC_EXCEED_LIMIT: { status: 'U', message: 'Too much traffic. Try again later.' },
  REPEAT_REQ_INCONSISTENT: { status: 'F', message: 'The request repeats another one and differs from it.' },
} as const

/** A key of {@link RESULTS}. */
export type ResultCode = keyof typeof RESULTS

/** `S` succeeded, `F` failed for good, `U` unknown, `A` accepted and not yet decided. */
export type ResultStatus = 'S' | 'F' | 'U' | 'A'

/** The `result` object of an answer. */
export interface Result {
  /** At most 64 characters. Peers may send codes that are not in {@link RESULTS}; the status decides. */
  resultCode: string
  resultStatus: ResultStatus
  /** At most 256 characters. */
  resultMessage?: string
}

/** Tells whether a text is one of the {@link RESULTS}. */
export function isResultCode(text: string): text is ResultCode {
  return Object.hasOwn(RESULTS, text)
}
