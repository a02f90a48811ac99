import {
  type ClientOptions,
  createOrderSyncClient,
  type OrderInput,
  OrderRefusedError,
  UntrustedResponseError,
} from 'alipayhk-order-sync'

/** One HTTP message, as sent over the network. */
export interface HttpMessage {
  /** `POST /path` or `HTTP 200`. */
  readonly start: string
  readonly headers: Headers
  readonly body: string
}

/** The request, the response and its result. */
export interface RoundTrip {
  readonly request: HttpMessage
  readonly response: HttpMessage
  readonly resultCode: string
  /** Whether the merchant signed the response. It signs none to a request that it cannot verify. */
  readonly isSigned: boolean
  readonly orderId?: string
}

/** Sends an order as AlipayHK does, and records both HTTP messages. */
export async function sendOrder(order: OrderInput, options: ClientOptions): Promise<RoundTrip> {
  const messages: HttpMessage[] = []
  const client = createOrderSyncClient({
    ...options,
    retries: 0,
    async fetch(url, init) {
      const { pathname } = new URL(String(url))
      const body = new TextDecoder().decode(init?.body as Uint8Array)
      messages.push({ start: `${init?.method} ${pathname}`, headers: new Headers(init?.headers), body })
      const response = await fetch(url, init)
      const { status, headers } = response
      messages.push({ start: `HTTP ${status}`, headers, body: await response.clone().text() })
      return response
    },
  })
  const result = await client.syncOrder(order).then(
    ({ response, orderId }) => ({ resultCode: response.result.resultCode, isSigned: true, orderId }),
    (error: unknown) => {
      // The response to a refused order is verified too.
      if (error instanceof OrderRefusedError) return { resultCode: error.resultCode, isSigned: true }
      // All other errors end the demo.
      if (!(error instanceof UntrustedResponseError) || error.httpStatus !== 401) throw error
      return { resultCode: resultCodeOf(messages[1]), isSigned: false }
    },
  )
  const [request, response] = messages
  if (request === undefined || response === undefined) throw new Error('The client sent no request.')
  return { request, response, ...result }
}

function resultCodeOf(response: HttpMessage | undefined): string {
  const message: { result?: { resultCode?: string } } = JSON.parse(response?.body ?? '{}')
  return message.result?.resultCode ?? 'none'
}
