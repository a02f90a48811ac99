import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createOrderSyncServer } from '../../src/adapters/node.ts'
import { listen } from '../support/http.ts'
import { merchant } from '../support/merchant.ts'
import { request, type TestRequest } from '../support/messages.ts'
import { formatHead, readResponse } from './client.ts'

/** Announces a body that is too large, sends none of it, and reads the response. */
async function sendHeadOfLargeBody() {
  const { port, close } = await listen(createOrderSyncServer(merchant({ maxBodyBytes: 10 }).handler))
  onTestFinished(close)
  const { headers, ...rest } = request()
  const sent: TestRequest = { ...rest, headers: { ...headers, 'Content-Length': '1000' } }
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.write(formatHead(sent))
  const response = await readResponse(socket)
  return { socket, response, respondedAt: performance.now() }
}

describe('drainBeforeClose', () => {
  test('closes the connection two seconds after the response if the rest of the body is never sent', async () => {
    const { socket, response, respondedAt } = await sendHeadOfLargeBody()
    expect(response).toMatchObject({ status: 413, headers: { connection: 'close' } })
    expect(socket.readableEnded).toBe(false)
    await once(socket, 'close')
    // A timer may run a millisecond early, and the response takes a moment to arrive.
    expect(performance.now() - respondedAt).toBeGreaterThan(1_900)
  })

  test('closes the connection as soon as the rest of the body is received', async () => {
    const { socket, respondedAt } = await sendHeadOfLargeBody()
    socket.write(Buffer.alloc(1_000))
    await once(socket, 'close')
    expect(performance.now() - respondedAt).toBeLessThan(1_900)
  })
})
