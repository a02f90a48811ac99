import { RESULT_CODES } from '../src/result-codes.ts'

/** What `withoutNullable` of scripts/generate.ts returns. */
type Schema = object

const text = (description: string, example: string, more: object = {}) => ({
  description,
  schema: { type: 'string', ...more },
  example,
})
const header = (name: string, description: string, example: string, required: boolean, more: object = {}) => ({
  ...{ name, in: 'header', required },
  ...text(description, example, more),
})

const SIGNATURE = 'algorithm=RSA256,keyVersion=1,signature=…'
const ENCRYPT = 'algorithm=RSA_AES,keyVersion=1,symmetricKey=…'
const TIME = '2024-05-22T09:12:21+08:00'
const CLIENT_ID = '4Q5Y8W0WSG45P907917'

const requestHeaders = [
  header('Client-Id', 'The id that AlipayHK assigned to the merchant.', CLIENT_ID, true, { pattern: '^[!-~]{1,128}$' }),
  header('Request-Time', 'When the request was signed: ISO 8601 with an offset.', TIME, true),
  header(
    'Signature',
    'Over `<METHOD> <path with query>\\n<Client-Id>.<Request-Time>.<body>`, the body as on the wire.',
    SIGNATURE,
    true,
  ),
  header('Encrypt', 'Present exactly when the body is encrypted.', ENCRYPT, false),
  header('Tracer-Id', 'Identifies the request when you contact the peer. Not signed.', 'b2f0c7d4', false),
  header('Agent-Token', 'Given to an agent that acts for the merchant.', 'token', false),
]

const responseHeaders = {
  'Client-Id': text('That of the request.', CLIENT_ID),
  'Response-Time': text('When the response was signed: ISO 8601 with an offset.', TIME),
  Signature: text(
    'Over `<METHOD> <path with query>\\n<Client-Id>.<Response-Time>.<body>`, with the method and path of the request.',
    SIGNATURE,
  ),
  Encrypt: text('Present exactly when the body is encrypted.', ENCRYPT),
  'Tracer-Id': text('That of the request, or a new one. Not signed.', 'b2f0c7d4'),
}

const bodyOf = (schema: string) => ({
  'application/json': { schema: { $ref: `#/components/schemas/${schema}` } },
  'text/plain': {
    schema: { type: 'string', description: 'With the header Encrypt: base64 of the encrypted JSON.' },
  },
})

const unsigned = (description: string) => ({
  description: `${description} The response is not signed.`,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Response' } } },
})

const operation = (operationId: string, summary: string) => ({
  post: {
    ...{ operationId, summary, tags: ['orders'] },
    parameters: requestHeaders,
    requestBody: { required: true, content: bodyOf('Order') },
    responses: {
      200: {
        description:
          'The request verified. `resultStatus` decides: S success, F failed, U unknown (send again later), A accepted. Signed.',
        headers: responseHeaders,
        content: bodyOf('Response'),
      },
      400: unsigned('A header or the body breaks a rule, and nothing was verified.'),
      401: unsigned('The signature, the key version, the time or the Client-Id is rejected.'),
      405: unsigned('The method is not POST.'),
      408: unsigned('The body was not received in time.'),
      413: unsigned('The body is too large.'),
      415: unsigned('The body is not JSON in UTF-8.'),
      429: unsigned('Too many requests. Send again later.'),
      500: unsigned('The message could not be checked. Send again later.'),
    },
  },
})

/** The endpoint as OpenAPI 3.1, in both directions. */
export function openApi(order: Schema, response: Schema): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'AlipayHK Synchronize Order',
      version: '1.0.0',
      description:
        'One order, signed and optionally encrypted. The same message travels in both directions. docs/protocol.md of alipayhk-order-sync has every rule, and vectors/ has test vectors.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [
      { url: 'https://open.alipay.hk', description: 'AlipayHK, production' },
      { url: 'https://open-id-pre.alipay.com', description: 'AlipayHK, testing' },
    ],
    // What protects the endpoint is the signature, for which OpenAPI has no scheme.
    security: [],
    tags: [{ name: 'orders', description: 'Order syncs' }],
    paths: {
      '/api/open/alipay/v1/merchant/order/sync': operation('syncOrder', 'A merchant sends an order to AlipayHK'),
    },
    webhooks: { orderSync: operation('receiveOrder', 'AlipayHK sends an order to a merchant, on the same path') },
    components: { schemas: { Order: order, Response: response } },
    'x-result-codes': RESULT_CODES,
  }
}
