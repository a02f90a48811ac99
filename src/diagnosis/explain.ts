import { type EncryptionOptions, resolveEncryptionOptions } from '../crypto/envelope.ts'
import {
  anyValue,
  assertFunction,
  assertText,
  flag,
  nonNegativeNumber,
  type OptionRules,
  optionalOneOf,
  positiveNumber,
  resolveOptions,
} from '../option-rules.ts'
import { type HeadersInput, timeHeaderOf } from '../protocol/headers.ts'
import { type Credentials, type ParsedCredentials, parseCredentials } from '../secure-message/credentials.ts'
import { readCapture } from './capture/capture.ts'
import { MAX_REWRITTEN_BYTES, searchNotes, toCauses, toleranceNotes } from './causes.ts'
import { check } from './checks.ts'
import { type OpenedBody, openBody } from './content.ts'
import { describeContent, describeMessage } from './describe.ts'
import { type ExplainedMessage, toMessage } from './explained-message.ts'
import type { Explanation } from './explanation.ts'
import { type Found, search } from './search.ts'

/** A captured message as an object. HAR entries and HAR files are accepted too. */
export interface CapturedMessage {
  readonly method?: string | undefined
  /** The request-target, or a URL. */
  readonly path?: string | undefined
  /** The HTTP status: then it is a response. */
  readonly status?: number | undefined
  readonly headers: HeadersInput
  /** The body as text or bytes. A parsed object has lost the bytes that were signed. */
  readonly body?: unknown
  /** The body in base64, instead of `body`. */
  readonly bodyBase64?: string | undefined
}

/** Options of {@link explainRequest}. */
export interface ExplainOptions {
  /** Whether it is a request or a response. @defaultValue what the capture shows, otherwise a request */
  readonly direction?: 'request' | 'response' | undefined
  /** The signed method; for a response, the method of its request. @defaultValue the method in the capture, otherwise POST */
  readonly method?: string | undefined
  /** The signed path, as in the option `signedPath`; for a response, the path of its request. @defaultValue the path in the capture, otherwise the path of the API */
  readonly path?: string | undefined
  /** The clock, in milliseconds since the epoch. @defaultValue the time in a HAR entry, otherwise Date.now */
  readonly now?: (() => number) | undefined
  /** How far the time of the message may differ from the clock, in seconds. @defaultValue 300 */
  readonly clockToleranceSeconds?: number | undefined
  /** How messages are encrypted, as in the option of the handler. */
  readonly encryption?: EncryptionOptions | undefined
  /** The largest body that is examined, in bytes. @defaultValue 1_048_576 */
  readonly maxBodyBytes?: number | undefined
  /** Time limit of the search for causes, in milliseconds. @defaultValue 800 */
  readonly maxMs?: number | undefined
  /** Upper bound of texts that are compared with the signature. @defaultValue 200_000 */
  readonly maxTrials?: number | undefined
  /** Shows customer data: the signed text and the decrypted body as they are. Keys are never shown. @defaultValue false */
  readonly showData?: boolean | undefined
}

const RULES = {
  direction: optionalOneOf(['request', 'response']),
  method: { assert: assertText },
  path: { assert: assertText },
  now: { assert: assertFunction },
  clockToleranceSeconds: nonNegativeNumber(300),
  encryption: anyValue(),
  maxBodyBytes: positiveNumber(1_048_576),
  maxMs: positiveNumber(800),
  maxTrials: positiveNumber(200_000),
  showData: flag(false),
} satisfies OptionRules<ExplainOptions>

/**
 * Explains a captured message: parses it, verifies it like the handler or the client, and, if it is rejected, finds the change
 * with which the signature verifies. For development: it reads messages that are not verified.
 *
 * @param captured Raw HTTP, a curl command, a HAR entry or JSON, as text or bytes; or an object.
 * @param credentials Your credentials, the same as for the handler: the message is from the peer.
 * @throws {@link ConfigurationError} `ERR_REQUEST` when it is not a message, and the codes of credentials and keys
 * @throws TypeError, RangeError when an option is wrong
 * @see docs/protocol.md section 3.4
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises'
 * import { type Credentials, explainRequest } from 'alipayhk-order-sync'
 *
 * export async function explain(file: string, credentials: Credentials) {
 *   const { verified, causes } = await explainRequest(await readFile(file), credentials)
 *   if (!verified) for (const { code, fix } of causes) console.log(`${code}: ${fix}`)
 * }
 * ```
 */
export async function explainRequest(
  captured: string | Uint8Array | CapturedMessage | object,
  credentials: Credentials,
  options: ExplainOptions = {},
): Promise<Explanation> {
  const settings = resolveOptions<ExplainOptions, typeof RULES>('explainRequest', RULES, options)
  const keys = parseCredentials(credentials)
  const encryption = resolveEncryptionOptions(settings.encryption)
  const capture = readCapture(captured, settings.maxBodyBytes, settings.direction)
  const message = toMessage(capture, settings)
  const now = settings.now?.() ?? capture.capturedAt ?? Date.now()
  const checks = await check(message, keys, { now, clockToleranceSeconds: settings.clockToleranceSeconds })
  const opened = await openBody(message, keys, encryption)
  const found = checks.isSigned ? undefined : await searchCauses(message, opened, keys, settings)
  const causes = toCauses(message, checks, found)
  const error = checks.errors[0]
  return {
    verified: error === undefined,
    causes: error === undefined ? [] : causes,
    ...(error && { error: { code: error.code, message: error.message } }),
    notes: [
      ...capture.notes,
      ...opened.notes,
      ...toleranceNotes(message, keys),
      ...(error === undefined ? [] : searchNotes(found, { causes, bodyBytes: message.body.length }, keys)),
    ],
    form: capture.form,
    ...describeMessage(message, keys, { now, isFresh: checks.isFresh }),
    ...describeContent(message, keys, opened, found?.parts, settings.showData),
    issues: opened.issues,
    trials: found?.trials ?? 0,
  }
}

function searchCauses(
  { direction, method, path, otherPaths, headers, body }: ExplainedMessage,
  { plaintext }: OpenedBody,
  credentials: ParsedCredentials,
  { maxTrials, maxMs, maxBodyBytes }: { maxTrials: number; maxMs: number; maxBodyBytes: number },
): Promise<Found> {
  const timeHeader = timeHeaderOf(direction)
  // Nothing can be changed about a body that is lost.
  const maxChanges: 1 | 2 = body.length === 0 ? 1 : 2
  const limits = {
    ...{ maxTrials, maxMs, maxBodyBytes, maxChanges },
    maxRewrittenBytes: MAX_REWRITTEN_BYTES,
    clock: () => performance.now(),
  } as const
  return search({ method, path, otherPaths, headers, timeHeader, body, plaintext }, credentials, limits)
}
