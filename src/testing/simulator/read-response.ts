import type { ResolvedEncryptionOptions } from '../../crypto/envelope.ts'
import { secureRandomBytes } from '../../crypto/node.ts'
import { check } from '../../diagnosis/checks.ts'
import { explainRequest } from '../../diagnosis/explain.ts'
import { isOrderSyncError, ProtocolError } from '../../errors.ts'
import { validateResponse } from '../../messages/validate.ts'
import { ORDER_SYNC_METHOD } from '../../protocol/endpoint.ts'
import { assertContentType, collectHeaders, parseMessageHead } from '../../protocol/headers.ts'
import { parseJson, STRICT_JSON } from '../../protocol/json.ts'
import type { OrderSyncResponse } from '../../result-codes.ts'
import { type Credentials, parseCredentials } from '../../secure-message/credentials.ts'
import { decryptMessage } from '../../secure-message/verify.ts'
import type { ReceivedResponse } from './connection.ts'
import type { RuleId } from './rules.ts'

/** A response, and what is wrong with it. */
export interface ReadResponse {
  readonly status: number
  readonly isSigned: boolean
  /** The content of the response, even if it cannot be trusted. Absent if it is not readable. */
  readonly response?: OrderSyncResponse | undefined
  readonly problems: readonly Problem[]
}

/** A rule that a response breaks. */
export interface Problem {
  readonly rule: RuleId
  readonly actual: string
}

/** What is known about the request. */
export interface Asked {
  readonly credentials: Credentials
  readonly path: string
  readonly encryption: ResolvedEncryptionOptions
  readonly isEncrypted: boolean
  readonly now: number
}

/** Reads a response like AlipayHK, but continues after an error, to find everything that is wrong. */
export async function readResponse(received: ReceivedResponse, asked: Asked): Promise<ReadResponse> {
  const headers = collectHeaders(received.rawHeaders)
  const message = { ...received, headers }
  const isSigned = headers.has('signature')
  const { plaintext, problems: encryptionProblems } = await decrypt(message, asked)
  const body = plaintext === undefined ? {} : readBody(plaintext)
  const problems = [
    ...(await headProblems(message, asked)),
    ...encryptionProblems,
    ...(body.actual === undefined ? [] : [{ rule: 'response-body', actual: body.actual } as const]),
  ]
  return { status: received.status, isSigned, response: body.response, problems }
}

type Message = Omit<ReceivedResponse, 'rawHeaders'> & { readonly headers: ReadonlyMap<string, string> }

async function headProblems({ status, headers, body }: Message, asked: Asked): Promise<Problem[]> {
  const { credentials, path, now } = asked
  const known = parseCredentials(credentials)
  const problems: Problem[] = []
  const clientId = headers.get('client-id')
  if (clientId !== known.clientId) {
    const actual =
      clientId === undefined ? 'There is no Client-Id header.' : 'The Client-Id differs from that of the request.'
    problems.push({ rule: 'response-client-id', actual })
  }
  const type = problemOf(() => assertContentType(headers.get('content-type') ?? '', { encrypted: asked.isEncrypted }))
  if (type !== undefined) problems.push({ rule: 'response-content-type', actual: type.message })
  const message = { direction: 'response', method: ORDER_SYNC_METHOD, path, headers, body } as const
  const details = { ...message, otherPaths: [], rawHeaders: [...headers] }
  const { errors, isSigned, isFresh } = await check(details, known, { now, clockToleranceSeconds: 300 })
  if (!isFresh) {
    const error = errors.find(({ message: text }) => text.includes('Response-Time'))
    problems.push({ rule: 'response-time', actual: error?.message ?? 'Response-Time is not a valid time.' })
  }
  if (!isSigned) {
    const captured = { status, headers: Object.fromEntries(headers), body }
    problems.push({ rule: 'response-signed', actual: await whyUnsigned(captured, asked) })
  }
  return problems
}

/** Why a signature does not verify, with the change that would make it verify. */
async function whyUnsigned(
  captured: { status: number; headers: Record<string, string>; body: Uint8Array },
  { credentials, path, now }: Asked,
): Promise<string> {
  if (captured.headers['signature'] === undefined) return 'There is no Signature header.'
  const options = { direction: 'response', method: ORDER_SYNC_METHOD, path, now: () => now } as const
  const { causes, error } = await explainRequest(captured, credentials, options)
  const fixes = causes.map(({ code, fix }) => `${code}: ${fix}`)
  return [error?.message ?? 'The signature does not verify.', ...fixes].join(' ')
}

async function decrypt(
  { headers, body }: Message,
  { credentials, encryption, isEncrypted }: Asked,
): Promise<{ plaintext?: Uint8Array; problems: Problem[] }> {
  const problem = (actual: string): Problem[] => [{ rule: 'response-encrypted', actual }]
  if (!headers.has('encrypt')) {
    const problems = isEncrypted ? problem('The request was encrypted, and the response is in the clear.') : []
    return { plaintext: body, problems }
  }
  try {
    const head = parseMessageHead(headers, 'response')
    const how = { options: encryption, randomBytes: secureRandomBytes }
    const { plaintext } = await decryptMessage({ head, body }, parseCredentials(credentials), how)
    const problems = isEncrypted ? [] : problem('The request was in the clear, and the response is encrypted.')
    return { plaintext, problems }
  } catch (error) {
    return { problems: problem(whyUndecryptable(headers, credentials, error)) }
  }
}

function whyUndecryptable(headers: ReadonlyMap<string, string>, { privateKeys }: Credentials, error: unknown): string {
  const [, version] = /keyVersion=([!-+\--~]{1,64})/.exec(headers.get('encrypt') ?? '') ?? []
  if (version !== undefined && !Object.hasOwn(privateKeys, version)) {
    return `It is encrypted to key version ${version} of the peer, which does not exist.`
  }
  return isOrderSyncError(error) ? error.message : 'It cannot be decrypted.'
}

function readBody(bytes: Uint8Array): { response?: OrderSyncResponse; actual?: string } {
  let value: unknown
  try {
    value = parseJson(bytes, { ...STRICT_JSON, allowFractions: true })
    return { response: validateResponse(value) }
  } catch (error) {
    const actual = error instanceof ProtocolError ? error.message : 'The body is not a valid response.'
    const response = readLeniently(value)
    return { actual, ...(response && { response }) }
  }
}

/** The result in a body that breaks a rule, for the rules about results. */
function readLeniently(value: unknown): OrderSyncResponse | undefined {
  if (typeof value !== 'object' || value === null || !('result' in value)) return undefined
  const { result } = value
  if (typeof result !== 'object' || result === null || !('resultStatus' in result)) return undefined
  const { resultStatus } = result
  return resultStatus === 'S' || resultStatus === 'F' || resultStatus === 'U' || resultStatus === 'A'
    ? { result: { resultCode: 'resultCode' in result ? String(result.resultCode) : '', resultStatus } }
    : undefined
}

function problemOf(run: () => void): ProtocolError | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof ProtocolError) return error
    throw error
  }
}
