import type { IncomingMessage, ServerResponse } from 'node:http'
import { type LambdaEvent, type LambdaResult, lambdaOrderSync } from '../../src/adapters/lambda.ts'
import { type Adapter, mainMount } from './adapter.ts'
import { readAll, serveHttp } from './node-mounts.ts'

/** Turns a request into the event of a platform, as its documentation shows it. */
type ToEvent = (request: ReceivedRequest) => (LambdaEvent & { readonly [more: string]: unknown }) | Uint8Array

interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

const single = (pairs: Iterable<readonly [string, string]>) => Object.fromEntries(pairs)
const multiple = (pairs: Iterable<readonly [string, string]>) => {
  const lists: Record<string, string[]> = {}
  for (const [name, value] of pairs) lists[name] = [...(lists[name] ?? []), value]
  return lists
}
/** API Gateway 2.0 and function URLs join repeated headers, and write their names in lower case. */
const joined = (pairs: ReceivedRequest['headers']) =>
  single(
    Object.entries(multiple(pairs.map(([name, value]) => [name.toLowerCase(), value]))).map(([name, values]) => [
      name,
      values.join(','),
    ]),
  )
const lower = (pairs: ReceivedRequest['headers']) => pairs.map(([name, value]) => [name.toLowerCase(), value] as const)

/** A load balancer does not decode the query string. */
const splitQuery = (query: string) =>
  query === '' ? [] : query.split('&').map((pair) => /^([^=]*)=?(.*)$/s.exec(pair)?.slice(1) as [string, string])
const emptyIsNull = <Value extends object>(value: Value) => (Object.keys(value).length === 0 ? null : value)

/** A text type is passed on as text; other types, and all types when binary types are configured, as base64. */
const bodyOf = ({ body, headers }: ReceivedRequest, base64: boolean) => {
  const type = single(lower(headers))['content-type'] ?? ''
  const isBase64Encoded = base64 || !/^(text\/|application\/(json|xml|javascript))/.test(type)
  return { body: body.toString(isBase64Encoded ? 'base64' : 'utf8'), isBase64Encoded }
}

const toRestEvent =
  (base64: boolean): ToEvent =>
  (request) => {
    const { method, path, query, headers, body } = request
    const decoded = [...new URLSearchParams(query)]
    return {
      resource: '/{proxy+}',
      path: path.replace(/^\/[^/]+/, ''),
      httpMethod: method,
      headers: emptyIsNull(single(headers)),
      multiValueHeaders: emptyIsNull(multiple(headers)),
      queryStringParameters: emptyIsNull(single(decoded)),
      multiValueQueryStringParameters: emptyIsNull(multiple(decoded)),
      pathParameters: { proxy: 'x' },
      stageVariables: null,
      requestContext: {
        accountId: '123456789012',
        httpMethod: method,
        // Includes the stage, which the `path` of the event does not.
        path,
        stage: path.split('/')[1],
        protocol: 'HTTP/1.1',
        identity: { sourceIp: '127.0.0.1' },
      },
      ...(body.length === 0 ? { body: null, isBase64Encoded: false } : bodyOf(request, base64)),
    }
  }

const toHttpEvent: ToEvent = (request) => {
  const { method, path, query, headers, body } = request
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: query,
    headers: joined(headers),
    ...(query !== '' && { queryStringParameters: single(new URLSearchParams(query)) }),
    requestContext: {
      accountId: '123456789012',
      domainName: 'id.execute-api.ap-east-1.amazonaws.com',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'x' },
      stage: '$default',
    },
    ...(body.length === 0 ? { isBase64Encoded: false } : bodyOf(request, false)),
  }
}

const toBalancerEvent =
  (lists: boolean): ToEvent =>
  (request) => {
    const { method, path, query, headers } = request
    const parameters = splitQuery(query)
    return {
      requestContext: {
        elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:ap-east-1:123456789012:targetgroup/x/1' },
      },
      httpMethod: method,
      path,
      ...(lists
        ? { multiValueQueryStringParameters: multiple(parameters), multiValueHeaders: multiple(lower(headers)) }
        : { queryStringParameters: single(parameters), headers: single(lower(headers)) }),
      ...bodyOf(request, false),
    }
  }

/** Alibaba Cloud. The function receives the event as the bytes of its JSON. */
const toFunctionComputeEvent: ToEvent = (request) => {
  const { method, path, query, headers } = request
  const event = {
    version: 'v1',
    rawPath: path,
    headers: joined(headers),
    queryParameters: joined([...new URLSearchParams(query)]),
    requestContext: {
      accountId: '1234567890123456',
      domainName: 'x.cn-hongkong.fcapp.run',
      http: { method, path: decodeURIComponent(path), protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'x' },
      requestId: '1-64f6cd87-x',
    },
    ...bodyOf(request, false),
  }
  return Buffer.from(JSON.stringify(event))
}

const toTencentEvent: ToEvent = (request) => {
  const { method, path, query, headers, body } = request
  return {
    requestContext: {
      serviceId: 'service-x',
      path: '/api/{proxy}',
      httpMethod: method,
      identity: {},
      sourceIp: '127.0.0.1',
      stage: 'release',
    },
    headers: joined(headers),
    body: body.toString(),
    pathParameters: { proxy: 'x' },
    queryStringParameters: {},
    headerParameters: {},
    stageVariables: { stage: 'release' },
    path,
    queryString: single(new URLSearchParams(query)),
    httpMethod: method,
  }
}

const toHuaweiEvent: ToEvent = (request) => {
  const { method, path, query, headers } = request
  return {
    ...bodyOf(request, true),
    requestContext: { apiId: 'x', requestId: 'x', stage: 'RELEASE' },
    queryStringParameters: single(new URLSearchParams(query)),
    httpMethod: method,
    pathParameters: {},
    headers: joined(headers),
    path,
  }
}

/** Reads a result as the platform does: each ignores the headers of the other form. */
type FromResult = (result: LambdaResult) => { readonly [name: string]: string | string[] }

const fromHeaders: FromResult = ({ headers }) => ({ ...headers })
const fromLists: FromResult = ({ multiValueHeaders }) => ({ ...multiValueHeaders })
const fromBoth: FromResult = (result) => ({ ...fromHeaders(result), ...fromLists(result) })

/** As text, bytes that are not UTF-8 are replaced, and the signature does not match. */
const bodyAsText = {
  'a body that is not UTF-8': { status: 401, resultCode: 'INVALID_SIGNATURE', event: 'ERR_SIGNATURE_INVALID' },
}
/** Of a repeated header, the event has only the last value. */
const lastHeaderOnly = {
  'a repeated Signature header': { status: 200, resultCode: 'SUCCESS', event: 'processed', onOrderCalls: 1 },
}

/** Each platform, as a server that turns requests into events and results into responses. */
export const LAMBDA_PLATFORMS: Readonly<Record<string, Pick<Adapter, 'mounts' | 'differences'>>> = {
  'API Gateway 1.0': createPlatform(toRestEvent(false), fromBoth, bodyAsText),
  'API Gateway 1.0 with binary types': createPlatform(toRestEvent(true), fromBoth),
  'API Gateway 2.0': createPlatform(toHttpEvent, fromHeaders, bodyAsText),
  'a function URL': createPlatform((request) => ({ ...toHttpEvent(request), ...bodyOf(request, true) }), fromHeaders),
  'a load balancer': createPlatform(toBalancerEvent(false), fromHeaders, { ...bodyAsText, ...lastHeaderOnly }),
  'a load balancer with lists': createPlatform(toBalancerEvent(true), fromLists, bodyAsText),
  'an HTTP trigger of Function Compute 3': createPlatform(toFunctionComputeEvent, fromHeaders, bodyAsText),
  'the API Gateway of Tencent Cloud': createPlatform(toTencentEvent, fromHeaders, bodyAsText),
  'APIG of Huawei Cloud': createPlatform(toHuaweiEvent, fromHeaders),
}

function createPlatform(
  toEvent: ToEvent,
  fromResult: FromResult,
  differences: Adapter['differences'] = {},
): Pick<Adapter, 'mounts' | 'differences'> {
  const alone = mainMount((handler) => {
    const invoke = lambdaOrderSync(handler)
    return serveHttp(async (request, response) => {
      // A platform invokes no function for a request that broke off.
      const received = await receive(request).catch(() => undefined)
      if (received === undefined) response.destroy()
      else respond(response, await invoke(toEvent(received)), fromResult)
    })
  })
  return { mounts: { alone }, differences }
}

async function receive(request: IncomingMessage): Promise<ReceivedRequest> {
  const { method = '', url = '', rawHeaders } = request
  const [path = '', query = ''] = url.split(/\?(.*)/s)
  const names = rawHeaders.filter((_, at) => at % 2 === 0)
  const headers = names.map((name, at) => [name, rawHeaders[at * 2 + 1] ?? ''] as const)
  return { method, path, query, headers, body: await readAll(request) }
}

function respond(response: ServerResponse, result: LambdaResult, fromResult: FromResult): void {
  // Lambda sends what a function returns as JSON.
  const { statusCode, body, isBase64Encoded, ...more } = JSON.parse(JSON.stringify(result)) as LambdaResult
  response.writeHead(statusCode, fromResult({ statusCode, body, isBase64Encoded, ...more }))
  response.end(Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'))
}
