import type { IncomingMessage, ServerResponse } from 'node:http'
import { type LambdaEvent, type LambdaResult, lambdaOrderSync } from '../../src/adapters/lambda.ts'
import { onHttp, readAll } from './mounts.ts'
import type { Adapter, Serve } from './suite.ts'

/** What a platform makes of a request: an event for Lambda, as its documentation shows them. */
type ToEvent = (request: Arrived) => LambdaEvent & { readonly [more: string]: unknown }

interface Arrived {
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
/** API Gateway 2.0 and function URLs put what was sent twice into one, in lower case. */
const joined = (pairs: Arrived['headers']) =>
  single(
    Object.entries(multiple(pairs.map(([name, value]) => [name.toLowerCase(), value]))).map(([name, values]) => [
      name,
      values.join(','),
    ]),
  )
const lower = (pairs: Arrived['headers']) => pairs.map(([name, value]) => [name.toLowerCase(), value] as const)

/** As it was sent, between & and =. A load balancer passes on these. */
const undecoded = (query: string) =>
  query === '' ? [] : query.split('&').map((pair) => /^([^=]*)=?(.*)$/s.exec(pair)?.slice(1) as [string, string])
const emptyIsNull = <Value extends object>(value: Value) => (Object.keys(value).length === 0 ? null : value)

/** Text goes as it is where it is text; all else, and everything where binary types are configured, as base64. */
const bodyOf = ({ body, headers }: Arrived, base64: boolean) => {
  const type = single(lower(headers))['content-type'] ?? ''
  const isBase64Encoded = base64 || !/^(text\/|application\/(json|xml|javascript))/.test(type)
  return { body: body.toString(isBase64Encoded ? 'base64' : 'utf8'), isBase64Encoded }
}

const rest =
  (base64: boolean): ToEvent =>
  (arrived) => {
    const { method, path, query, headers, body } = arrived
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
        // The stage is the first folder of what the caller asked for, and not in the path of the event.
        path,
        stage: path.split('/')[1],
        protocol: 'HTTP/1.1',
        identity: { sourceIp: '127.0.0.1' },
      },
      ...(body.length === 0 ? { body: null, isBase64Encoded: false } : bodyOf(arrived, base64)),
    }
  }

const http: ToEvent = (arrived) => {
  const { method, path, query, headers, body } = arrived
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
    ...(body.length === 0 ? { isBase64Encoded: false } : bodyOf(arrived, false)),
  }
}

const balancer =
  (lists: boolean): ToEvent =>
  (arrived) => {
    const { method, path, query, headers } = arrived
    const parameters = undecoded(query)
    return {
      requestContext: {
        elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:ap-east-1:123456789012:targetgroup/x/1' },
      },
      httpMethod: method,
      path,
      ...(lists
        ? { multiValueQueryStringParameters: multiple(parameters), multiValueHeaders: multiple(lower(headers)) }
        : { queryStringParameters: single(parameters), headers: single(lower(headers)) }),
      ...bodyOf(arrived, false),
    }
  }

/** What a platform makes of a result: it looks only at what is its own. */
type FromResult = (result: LambdaResult) => { readonly [name: string]: string | string[] }

const fromHeaders: FromResult = ({ headers }) => ({ ...headers })
const fromLists: FromResult = ({ multiValueHeaders }) => ({ ...multiValueHeaders })
const fromBoth: FromResult = (result) => ({ ...fromHeaders(result), ...fromLists(result) })

/** Text is passed on as text: what bytes there were that are none is lost, and the signature with them. */
const asText = {
  'bytes that are not UTF-8': { status: 401, resultCode: 'INVALID_SIGNATURE', event: 'ERR_SIGNATURE_INVALID' },
}
/** Of a header that was sent twice, the function is told the last. */
const lastHeader = {
  'a Signature that is sent twice': { status: 200, resultCode: 'SUCCESS', event: 'processed', ran: 1 },
}

/** Each of the platforms, as a server that makes events of requests, and answers of results. */
export const LAMBDA_PLATFORMS: Readonly<Record<string, Pick<Adapter, 'ways' | 'instead'>>> = {
  'API Gateway 1.0': platform(rest(false), fromBoth, asText),
  'API Gateway 1.0 with binary types': platform(rest(true), fromBoth),
  'API Gateway 2.0': platform(http, fromHeaders, asText),
  'a function URL': platform((arrived) => ({ ...http(arrived), ...bodyOf(arrived, true) }), fromHeaders),
  'a load balancer': platform(balancer(false), fromHeaders, { ...asText, ...lastHeader }),
  'a load balancer with lists': platform(balancer(true), fromLists, asText),
}

function platform(toEvent: ToEvent, fromResult: FromResult, instead = {}): Pick<Adapter, 'ways' | 'instead'> {
  const serve: Serve = (handler) => {
    const run = lambdaOrderSync(handler)
    return onHttp(async (request, response) => {
      const result = await run(toEvent(await arrivedFrom(request)))
      answer(response, result, fromResult)
    })
  }
  return { ways: { alone: serve }, instead }
}

async function arrivedFrom(request: IncomingMessage): Promise<Arrived> {
  const { method = '', url = '', rawHeaders } = request
  const [path = '', query = ''] = url.split(/\?(.*)/s)
  const names = rawHeaders.filter((_, at) => at % 2 === 0)
  const headers = names.map((name, at) => [name, rawHeaders[at * 2 + 1] ?? ''] as const)
  return { method, path, query, headers, body: await readAll(request) }
}

function answer(response: ServerResponse, result: LambdaResult, fromResult: FromResult): void {
  // Through JSON, as what a function returns goes.
  const { statusCode, body, isBase64Encoded, ...more } = JSON.parse(JSON.stringify(result)) as LambdaResult
  response.writeHead(statusCode, fromResult({ statusCode, body, isBase64Encoded, ...more }))
  response.end(Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'))
}
