import type { HttpResponse } from '../server/http.ts'
import { drainBeforeClose } from './drain-before-close.ts'
import type { NodeRequest, NodeResponse } from './node-request.ts'

/**
 * Whether the response can no longer be sent: other code has responded first, such as `response.setTimeout()` or
 * a timeout middleware, or the connection is closed.
 */
export function isRespondedTo(response: NodeResponse): boolean {
  return response.headersSent || response.writableEnded || isClosed(response)
}

/** A response of HTTP/2 does not report that it is closed; its stream does. */
function isClosed({ destroyed, stream }: NodeResponse): boolean {
  return destroyed || stream?.destroyed === true
}

/**
 * Keeps an 'error' event of a response from ending the process. Such an event means that the connection is lost, or
 * that other code ended the response while it was being sent. No action is needed: the outcome is stored.
 */
export function ignoreErrorsOf(response: NodeResponse): void {
  response.on('error', () => {})
}

/** Sends a response, unless other code has responded first. Never throws. */
export function sendResponse(
  request: NodeRequest,
  response: NodeResponse,
  { status, headers, body }: HttpResponse,
): void {
  if (isRespondedTo(response)) return
  try {
    const content = drainBeforeClose(request, response, body)
    response.writeHead(status, { 'Content-Length': body.length, ...headers })
    if (content instanceof Uint8Array) response.end(content)
    else content.pipe(response)
  } catch {
    // Code that listens to the response threw an error. The peer must not wait for the rest.
    response.destroy()
  }
}
