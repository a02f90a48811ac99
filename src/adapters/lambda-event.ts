import { ConfigurationError, describeKind } from '../errors.ts'

type Dictionary<Value> = { readonly [name: string]: Value | undefined } | null | undefined

/**
 * The members that the adapter uses of the events of AWS (API Gateway 1.0 and 2.0, Application Load Balancer, function URLs),
 * Alibaba Cloud (HTTP triggers of Function Compute 3, API Gateway), Tencent Cloud (API Gateway) and Huawei Cloud (APIG).
 */
export interface LambdaEvent {
  readonly httpMethod?: string
  readonly path?: string
  readonly queryStringParameters?: Dictionary<string | readonly string[]>
  readonly multiValueQueryStringParameters?: Dictionary<readonly string[]>
  /** Alibaba Cloud. */
  readonly queryParameters?: Dictionary<string>
  /** Tencent Cloud: the whole query string, where `queryStringParameters` has the declared parameters only. */
  readonly queryString?: Dictionary<string | readonly string[]>
  readonly rawPath?: string
  readonly rawQueryString?: string
  readonly headers?: Dictionary<string>
  readonly multiValueHeaders?: Dictionary<readonly string[]>
  readonly body?: string | null
  readonly isBase64Encoded?: boolean
  readonly requestContext?: {
    readonly path?: string
    readonly elb?: unknown
    readonly stage?: string | undefined
    readonly http?: { readonly method?: string }
  }
}

/** The result that the platform turns into an HTTP response. */
export interface LambdaResult {
  readonly statusCode: number
  readonly headers?: Record<string, string>
  readonly multiValueHeaders?: Record<string, string[]>
  readonly body: string
  readonly isBase64Encoded: false
}

/**
 * Checks that a function was invoked with an HTTP request. Parses an event that is JSON text, as Function Compute 3 passes it.
 *
 * @throws {@link ConfigurationError} `ERR_REQUEST` for any other event. The message says which integration to use
 */
export function parseEvent(given: unknown): LambdaEvent {
  const event = typeof given === 'string' || given instanceof Uint8Array ? parseJson(given) : given
  if (isHttpEvent(event)) return event
  throw new ConfigurationError('ERR_REQUEST', `The function was invoked with ${describeEvent(event)}. ${INTEGRATIONS}`)
}

const INTEGRATIONS = `Invoke it through an integration that passes the whole HTTP request: in AWS a function URL, a load balancer, or API Gateway with Lambda proxy integration; in Alibaba Cloud an HTTP trigger of Function Compute 3; in Tencent Cloud an API Gateway trigger with integrated response; in Huawei Cloud an APIG trigger.`

/** The text of JSON, or undefined. */
function parseJson(json: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof json === 'string' ? json : new TextDecoder().decode(json))
  } catch {
    return undefined
  }
}

function isHttpEvent(event: unknown): event is LambdaEvent {
  if (!isObject(event)) return false
  const context = memberOf(event, 'requestContext')
  return [memberOf(memberOf(context, 'http'), 'method'), memberOf(event, 'httpMethod')].some(
    (method) => typeof method === 'string',
  )
}

function describeEvent(event: unknown): string {
  if (!isObject(event)) return event === undefined ? 'an event that is not JSON' : describeKind(event)
  if ('Records' in event) return 'records of another service (such as SQS, SNS, S3 or CloudFront), not an HTTP request'
  if ('merchantBizNo' in event) return 'the order alone: its headers, and the bytes that were signed, are lost'
  if (['setHeader', 'getHeader', 'socket'].some((name) => name in event) || ('url' in event && 'method' in event)) {
    return `a request object, as in Function Compute 2 ("req, resp, context"): see "Serverless" in docs/runtimes.md`
  }
  return 'an event that is not an HTTP request: it has no HTTP method'
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function memberOf(value: unknown, name: string): unknown {
  return isObject(value) ? (value as { readonly [name: string]: unknown })[name] : undefined
}
