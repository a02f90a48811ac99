import { Buffer } from 'node:buffer'
import type { RequestBody } from '../server/body.ts'
import type { OrderSyncHandler } from '../server/handler.ts'
import type { LambdaEvent, LambdaResult } from './lambda-event.ts'

export type { LambdaEvent, LambdaResult }

const PARSED_BODY_HINT = `In AWS Lambda, hand the event over before a middleware such as httpJsonBodyParser() of Middy parses its body.`

/**
 * Turns a handler into a Lambda handler. The path for verification is the one that the caller used, stage included; where a custom
 * domain hides it, or query strings come with unusual escapes, set the handler's `path`.
 *
 * @see docs/protocol.md section 1
 * @example
 * ```ts
 * import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
 * import { toLambdaHandler } from 'alipayhk-order-sync/lambda'
 *
 * export const handler = toLambdaHandler(
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
      path: pathOf(event),
      headers: event.multiValueHeaders ?? event.headers ?? {},
      body: bodyOf(event),
      parsedBodyHint: PARSED_BODY_HINT,
    })
    const lists = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]))
    return {
      statusCode: status,
      // A load balancer that sends lists wants lists back, and looks at nothing else.
      ...(event.multiValueHeaders && event.requestContext?.elb
        ? { multiValueHeaders: lists }
        : { headers: { ...headers } }),
      // JSON or base64, and so text in either case.
      body: Buffer.from(body).toString('utf8'),
      isBase64Encoded: false,
    }
  }
}

/** What a middleware has left in its place goes on as it is, to be refused. */
function bodyOf({ body, isBase64Encoded }: LambdaEvent): RequestBody {
  return typeof body === 'string' ? Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8') : body
}

function pathOf(event: LambdaEvent): string {
  const query = event.rawQueryString ?? queryOf(event)
  return `${event.rawPath ?? event.requestContext?.path ?? event.path ?? ''}${query === '' ? '' : `?${query}`}`
}

/** API Gateway has decoded the query string, a load balancer has not. */
function queryOf({ multiValueQueryStringParameters, queryStringParameters, requestContext }: LambdaEvent): string {
  const encode = requestContext?.elb ? (text: string) => text : encodeURIComponent
  return Object.entries(multiValueQueryStringParameters ?? queryStringParameters ?? {})
    .flatMap(([name, value = []]) => [value].flat().map((one) => `${encode(name)}=${encode(one)}`))
    .join('&')
}
