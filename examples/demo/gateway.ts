import { type ClientOptions, createOrderSyncClient, type OrderInput, RefusalError } from 'alipayhk-order-sync'

/** One HTTP message, as it was on the wire. */
export interface Wire {
  /** `POST /path` or `HTTP 200`. */
  readonly start: string
  readonly headers: Headers
  readonly body: string
}

/** What was sent, what came back, and what that says, now that its signature has been verified. */
export interface Exchange {
  readonly sent: Wire
  readonly received: Wire
  readonly resultCode: string
  readonly orderId?: string
}

/** Sends an order as AlipayHK does, and writes down what goes over the wire. */
export async function sendOrder(order: OrderInput, options: ClientOptions): Promise<Exchange> {
  const wire: Wire[] = []
  const client = createOrderSyncClient({
    ...options,
    retries: 0,
    async fetch(url, init) {
      const { pathname } = new URL(String(url))
      const body = new TextDecoder().decode(init?.body as Uint8Array)
      wire.push({ start: `${init?.method} ${pathname}`, headers: new Headers(init?.headers), body })
      const response = await fetch(url, init)
      const { status, headers } = response
      wire.push({ start: `HTTP ${status}`, headers, body: await response.clone().text() })
      return response
    },
  })
  const verdict = await client.syncOrder(order).then(
    ({ reply, orderId }) => ({ resultCode: reply.result.resultCode, orderId }),
    (error: unknown) => {
      // A refusal is an answer too, and verified. Everything else is an error.
      if (error instanceof RefusalError) return { resultCode: error.resultCode }
      throw error
    },
  )
  const [sent, received] = wire
  if (sent === undefined || received === undefined) throw new Error('nothing went over the wire')
  return { sent, received, ...verdict }
}
