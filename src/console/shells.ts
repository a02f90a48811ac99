import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Asked, isProxyHeader } from './guard.ts'
import type { ConsoleResponse } from './response.ts'
import type { Sink } from './stream.ts'

/** A request, from either HTTP layer. */
export interface ConsoleRequest {
  readonly pathname: string
  readonly show: boolean
  readonly asked: Omit<Asked, 'isPage'>
  /** Undefined when the body is too large, or is not JSON. */
  readonly readJson: () => Promise<unknown>
}

const MAX_BODY_BYTES = 1_048_576
/** The most bytes that may wait in the buffers of one page. */
const MAX_BUFFERED_BYTES = 262_144

/** Translates a request of `node:http`, and what Express adds to it. */
export function fromNode(request: IncomingMessage & { originalUrl?: string; body?: unknown }): ConsoleRequest {
  const { headers } = request
  const target = (request.originalUrl ?? request.url ?? '').replace(/^https?:\/\/[^/?#]*/i, '')
  const [pathname = '', query = ''] = target.split('?')
  return {
    pathname,
    show: isShown(query),
    asked: {
      method: request.method ?? '',
      hosts: headers.host === undefined ? [] : [headers.host],
      origin: headers.origin,
      fetchSite: textOf(headers['sec-fetch-site']),
      remoteAddress: request.socket.remoteAddress ?? 'gone',
      // No browser uses HTTP/1.0. nginx does by default, and adds no header.
      isForwarded: request.httpVersion === '1.0' || Object.keys(headers).some(isProxyHeader),
      contentType: headers['content-type'],
    },
    // A body parser that ran before has the value.
    readJson: async () => (request.readableDidRead ? request.body : parse(await readNode(request))),
  }
}

const textOf = (value: string | string[] | undefined) => (Array.isArray(value) ? value.join() : value)

const isShown = (query: string) => new URLSearchParams(query).get('show') === '1'

async function readNode(request: AsyncIterable<Uint8Array>): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parse(bytes: Uint8Array | undefined): unknown {
  try {
    return bytes && JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

/** Sends a response. The headers stay unchanged: a framework must not add its own policy to the page. */
export function sendNode(
  { status, headers, body }: ConsoleResponse,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (response.headersSent || response.destroyed) return
  if (typeof body === 'string') {
    const bytes = Buffer.from(body)
    // The rest of a rejected request body is not read.
    const connection = request.complete ? {} : { Connection: 'close' }
    response.writeHead(status, { ...headers, ...connection, 'Content-Length': bytes.length })
    response.end(bytes)
    return
  }
  response.writeHead(status, headers)
  const stop = body({
    send: (text) => void response.write(text),
    isFull: () => response.writableLength > MAX_BUFFERED_BYTES,
    // What a page does not read would keep its connection open.
    end: () => void (response.writableLength > 0 ? response.destroy() : response.end()),
  })
  response.on('error', () => {})
  response.once('close', stop)
}

/** Translates a request of the web standard. It does not say from which machine it comes. */
export function fromWeb(request: Request): ConsoleRequest {
  const { headers, method } = request
  const url = new URL(request.url)
  const host = headers.get('host')
  return {
    pathname: url.pathname,
    show: isShown(url.search),
    asked: {
      method,
      hosts: [url.host, ...(host === null ? [] : [host])],
      origin: headers.get('origin') ?? undefined,
      fetchSite: headers.get('sec-fetch-site') ?? undefined,
      remoteAddress: undefined,
      isForwarded: [...headers.keys()].some(isProxyHeader),
      contentType: headers.get('content-type') ?? undefined,
    },
    readJson: async () => {
      if (request.body === null || request.bodyUsed) return undefined
      return parse(await readNode(request.body as unknown as AsyncIterable<Uint8Array>))
    },
  }
}

export function toWeb({ status, headers, body }: ConsoleResponse, { signal }: Request): Response {
  if (typeof body === 'string') return new Response(body, { status, headers })
  let stop = () => {}
  let isOpen = true
  const encoder = new TextEncoder()
  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const isFull = () => (controller.desiredSize ?? 0) <= 0
        const end = () => {
          if (!isOpen) return
          isOpen = false
          // What a page does not read would keep its connection open.
          if (isFull()) controller.error(new Error('The page did not read the stream'))
          else controller.close()
        }
        const sink: Sink = {
          send: (text) => void (isOpen && controller.enqueue(encoder.encode(text))),
          isFull,
          end,
        }
        stop = body(sink)
        const abort = () => {
          stop()
          end()
        }
        if (signal.aborted) abort()
        else signal.addEventListener('abort', abort)
      },
      cancel() {
        // Closed by the reader: to close it again would throw.
        isOpen = false
        stop()
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_BUFFERED_BYTES }),
  )
  return new Response(stream, { status, headers })
}
