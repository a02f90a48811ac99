import { Buffer } from 'node:buffer'
import { type IncomingRequest, type OrderSyncHandler, PARSED_BODY, type RequestBody } from '../server/http.ts'
import { type LambdaEvent, type LambdaResult, parseEvent } from './lambda-event.ts'

export type { LambdaEvent, LambdaResult }

const PARSED_BODY_HINT = `In AWS Lambda, call the handler before any middleware that parses the body, such as httpJsonBodyParser() of Middy.`

/**
 * Turns a handler into a function for AWS Lambda, and for platforms with similar events: Alibaba Cloud Function
 * Compute 3, Tencent Cloud SCF and Huawei Cloud FunctionGraph. The signature is verified over the path that the caller
 * used, including the stage. Set the handler's `signedPath` if a custom domain hides that path, or if query strings have
 * unusual escapes.
 *
 * An event that is not an HTTP request is reported as `ERR_REQUEST`, and the result is HTTP 500.
 *
 * @see docs/protocol.md section 1
 * @example
 * ```ts
 * import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
 * import { lambdaOrderSync } from 'alipayhk-order-sync/lambda'
 *
 * export const handler = lambdaOrderSync(
 *   createOrderSyncHandler({
 *     credentials: {
 *       clientId: '4Q5Y8W0WSG45P907917',
 *       privateKeys: { 1: process.env['MERCHANT_PRIVATE_KEY'] ?? '' },
 *       peerPublicKeys: { 1: process.env['ALIPAYHK_PUBLIC_KEY'] ?? '' },
 *     },
 *     store: memoryStore(), // for tests: instances share nothing
 *     onOrder: (order) => ({ orderId: order.merchantBizNo }),
 *   }),
 * )
 * ```
 */
export function lambdaOrderSync(
  handler: OrderSyncHandler,
): (event: LambdaEvent | Uint8Array | string) => Promise<LambdaResult> {
  return async (given) => {
    const [event, request] = toRequest(given)
    const { status, headers, body } = await handler(request)
    const lists = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]))
    return {
      statusCode: status,
      // A load balancer that sends lists expects lists, and ignores `headers`.
      ...(event?.multiValueHeaders && event.requestContext?.elb
        ? { multiValueHeaders: lists }
        : { headers: { ...headers } }),
      // JSON or base64: text in both cases.
      body: Buffer.from(body).toString('utf8'),
      isBase64Encoded: false,
    }
  }
}

function toRequest(given: unknown): [event: LambdaEvent | undefined, request: IncomingRequest] {
  try {
    const event = parseEvent(given)
    const headers = event.multiValueHeaders ?? event.headers ?? {}
    const request: IncomingRequest = {
      method: event.requestContext?.http?.method ?? event.httpMethod ?? '',
      path: toPath(event),
      headers,
      body: toBody(event, headers),
      parsedBodyHint: PARSED_BODY_HINT,
    }
    return [event, request]
  } catch (error) {
    return [undefined, toFailedRequest(error)]
  }
}

/** A request that the handler reports as the error, and responds to with HTTP 500. */
function toFailedRequest(error: unknown): IncomingRequest {
  const fail = (): never => {
    throw error
  }
  return {
    get method() {
      return fail()
    },
    path: '',
    headers: {},
  }
}

/** A middleware can replace the text with the parsed JSON, contrary to the type of the event. */
function toBody({ body, isBase64Encoded }: LambdaEvent, headers: object): RequestBody {
  if (typeof body === 'string') {
    const isBase64 = isBase64Encoded || isBase64OfMessage(body, isEncrypted(headers))
    return Buffer.from(body, isBase64 ? 'base64' : 'utf8')
  }
  return body === null || body === undefined ? null : PARSED_BODY
}

function isEncrypted(headers: object): boolean {
  return Object.keys(headers).some((name) => name.toLowerCase() === 'encrypt')
}

/**
 * Whether a text is the base64 of a message although `isBase64Encoded` was lost. A text that can be a message is not
 * decoded: JSON is not base64, and the ciphertext of an encrypted message does not decode to base64 text again. The
 * signature covers the result.
 */
function isBase64OfMessage(text: string, isCiphertext: boolean): boolean {
  if (!BASE64.test(text)) return false
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) return false
  return !isCiphertext || BASE64.test(bytes.toString('latin1'))
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

function toPath(event: LambdaEvent): string {
  const query = event.rawQueryString ?? toQuery(event)
  return `${event.rawPath ?? contextPath(event) ?? event.path ?? ''}${query === '' ? '' : `?${query}`}`
}

/** The path with its stage, in AWS. In Tencent Cloud, `requestContext.path` is the path of the route, such as `/a/{b}`. */
function contextPath({ requestContext, queryString }: LambdaEvent): string | undefined {
  const path = requestContext?.path
  return queryString !== undefined || path?.includes('{') ? undefined : path
}

/** Most platforms decode the query string; a load balancer does not. */
function toQuery(event: LambdaEvent): string {
  const { requestContext, multiValueQueryStringParameters, queryString, queryParameters, queryStringParameters } = event
  const encode = requestContext?.elb ? (text: string) => text : encodeURIComponent
  const parameters = multiValueQueryStringParameters ?? queryString ?? queryParameters ?? queryStringParameters ?? {}
  return Object.entries(parameters)
    .flatMap(([name, value = []]) => [value].flat().map((one) => `${encode(name)}=${encode(one)}`))
    .join('&')
}
