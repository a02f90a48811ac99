import { Buffer } from 'node:buffer'
import { type OrderSyncHandler, PARSED_BODY, type RequestBody } from '../server/http.ts'
import type { LambdaEvent, LambdaResult } from './lambda-event.ts'

export type { LambdaEvent, LambdaResult }

const PARSED_BODY_HINT = `In AWS Lambda, pass the event on before a middleware such as httpJsonBodyParser() of Middy parses its body.`

/**
 * Turns a handler into a Lambda handler. The signature is verified over the path that the caller used, stage included.
 * Set the handler's `signedPath` where a custom domain hides that path, or where query strings have unusual escapes.
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
export function lambdaOrderSync(handler: OrderSyncHandler): (event: LambdaEvent) => Promise<LambdaResult> {
  return async (event) => {
    const { status, headers, body } = await handler({
      method: event.requestContext?.http?.method ?? event.httpMethod ?? '',
      path: toPath(event),
      headers: event.multiValueHeaders ?? event.headers ?? {},
      body: toBody(event),
      parsedBodyHint: PARSED_BODY_HINT,
    })
    const lists = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]))
    return {
      statusCode: status,
      // A load balancer that sends lists expects lists, and ignores `headers`.
      ...(event.multiValueHeaders && event.requestContext?.elb
        ? { multiValueHeaders: lists }
        : { headers: { ...headers } }),
      // JSON or base64: text in both cases.
      body: Buffer.from(body).toString('utf8'),
      isBase64Encoded: false,
    }
  }
}

/** A middleware can replace the text by the parsed JSON, against the type of the event. */
function toBody({ body, isBase64Encoded }: LambdaEvent): RequestBody {
  if (typeof body === 'string') return Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8')
  return body === null || body === undefined ? null : PARSED_BODY
}

function toPath(event: LambdaEvent): string {
  const query = event.rawQueryString ?? toQuery(event)
  return `${event.rawPath ?? event.requestContext?.path ?? event.path ?? ''}${query === '' ? '' : `?${query}`}`
}

/** API Gateway decodes the query string, a load balancer does not. */
function toQuery({ multiValueQueryStringParameters, queryStringParameters, requestContext }: LambdaEvent): string {
  const encode = requestContext?.elb ? (text: string) => text : encodeURIComponent
  return Object.entries(multiValueQueryStringParameters ?? queryStringParameters ?? {})
    .flatMap(([name, value = []]) => [value].flat().map((one) => `${encode(name)}=${encode(one)}`))
    .join('&')
}
