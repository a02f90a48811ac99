type Dictionary<Value> = { readonly [name: string]: Value | undefined } | null | undefined

/** The members that are used of the events of API Gateway 1.0 and 2.0, Application Load Balancer and function URLs. */
export interface LambdaEvent {
  readonly httpMethod?: string
  readonly path?: string
  readonly queryStringParameters?: Dictionary<string>
  readonly multiValueQueryStringParameters?: Dictionary<readonly string[]>
  readonly rawPath?: string
  readonly rawQueryString?: string
  readonly headers?: Dictionary<string>
  readonly multiValueHeaders?: Dictionary<readonly string[]>
  readonly body?: string | null
  readonly isBase64Encoded?: boolean
  readonly requestContext?: {
    readonly path?: string
    readonly elb?: unknown
    readonly http?: { readonly method?: string }
  }
}

/** The result that Lambda turns into an HTTP response. */
export interface LambdaResult {
  readonly statusCode: number
  readonly headers?: Record<string, string>
  readonly multiValueHeaders?: Record<string, string[]>
  readonly body: string
  readonly isBase64Encoded: false
}
