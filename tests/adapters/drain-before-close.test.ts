import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { createOrderSyncServer } from '../../src/adapters/node.ts'
import { request, type TestRequest } from '../support/messages.ts'
import { listen } from '../support/http.ts'
import { merchant } from '../support/merchant.ts'
import { answerOn, headOf } from './client.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** A client that announces a body that is too large, and what has come back to it. */
async function refusedHalfWay() {
  const { port, close } = await listen(createOrderSyncServer(merchant({ maxBodyBytes: 10 }).handler))
  const made = request()
  const sent: TestRequest = { ...made, headers: { ...made.headers, 'Content-Length': '1000' } }
  const socket = connect(port, '127.0.0.1')
  ends.push(close, () => socket.destroy())
  socket.write(headOf(sent))
  const reply = await answerOn(socket)
  return { socket, reply }
}

test('a connection on which the rest of a body never comes is closed when patience ends', async () => {
  const patience = new AbortController()
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(patience.signal)
  const { socket, reply } = await refusedHalfWay()
  expect(reply).toMatchObject({ status: 413, headers: { connection: 'close' } })
  expect(timeout.mock.calls).toEqual([[2_000]])
  expect(socket.readableEnded).toBe(false)
  patience.abort()
  await once(socket, 'close')
})

test('it is closed at once when the rest has come', async () => {
  const { socket } = await refusedHalfWay()
  socket.write(Buffer.alloc(1_000))
  await once(socket, 'close')
})
