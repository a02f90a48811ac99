/**
 * The result codes of the protocol, each with its status and the message that the handler sends with it.
 * `S`: success. `F`: failed, final. `U`: unknown, retry later.
 *
 * @see docs/protocol.md section 6
 */
export const RESULT_CODES = {
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

/** A key of {@link RESULT_CODES}. */
export type ResultCode = keyof typeof RESULT_CODES

/** `S`: success. `F`: failed, final. `U`: unknown, retry later. `A`: accepted, not decided yet. */
export type ResultStatus = 'S' | 'F' | 'U' | 'A'

/** The `result` object of a response. */
export interface Result {
  /** At most 64 characters. Peers may send codes that are not in {@link RESULT_CODES}: only the status decides. */
  resultCode: string
  resultStatus: ResultStatus
  /** At most 256 characters. */
  resultMessage?: string
}

/**
 * The body of the response to an order sync.
 *
 * @see docs/protocol.md section 6.1
 */
export interface OrderSyncResponse {
  result: Result
  /** The order's id on the receiver's side, at most 64 characters. Present when `resultStatus` is `S`. */
  orderId?: string
}

/** Whether a text is one of the {@link RESULT_CODES}. */
export function isResultCode(text: string): text is ResultCode {
  return Object.hasOwn(RESULT_CODES, text)
}
