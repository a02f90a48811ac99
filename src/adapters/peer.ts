import type { NodeResponse } from './node.ts'

/** Aborted when the connection ends before the answer does. */
export function peerSignal(response: NodeResponse): AbortSignal {
  const peer = new AbortController()
  // Not writableFinished: a response of HTTP/2 is that as soon as its stream is gone.
  const hangUp = () => response.writableEnded || peer.abort(new Error('The peer has gone'))
  // Nor does one of HTTP/2 know that it is closed; its stream does.
  if (response.closed || response.stream?.destroyed) hangUp()
  else response.once('close', hangUp)
  return peer.signal
}
