import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { toNodeListener } from '../../src/adapters/node.ts'
import { until } from '../support/deferred.ts'
import { memoryInUse } from '../support/garbage.ts'
import { listen, send } from '../support/http.ts'
import { merchant, SUCCESS, summarize } from '../support/merchant.ts'
import { CLIENT_ID, order, PATH, request } from '../support/messages.ts'

const STRANGERS = 1_000
const MIB = 1_048_576

/** Sends the headers of a request of 1 MiB from the real peer, as far as anybody can tell, and a quarter of its body. */
function sendHalfBody(port: number, headers: Readonly<Record<string, string>>): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      const lines = Object.entries({ Host: 'x', ...headers, 'Content-Length': String(MIB) }).map(
        ([name, value]) => `${name}: ${value}\r\n`,
      )
      socket.write(`POST ${PATH} HTTP/1.1\r\n${lines.join('')}\r\n${'x'.repeat(MIB / 4)}`, () => resolve(socket))
    })
    socket.on('error', reject)
    // A refused stranger is reset.
    socket.once('connect', () => socket.removeAllListeners('error').on('error', () => {}))
  })
}

test('1,000 attackers with half-sent bodies block no order, and use at most 100 MiB', async () => {
  // On a busy machine this takes longer than the five seconds that a body has by default.
  const { handler, events } = merchant({ bodyTimeoutMs: 60_000, timeoutMs: 60_000, leaseMs: 120_000 })
  const server = createServer(toNodeListener(handler))
  const { port, close } = await listen(server)
  onTestFinished(close)
  const idle = memoryInUse()
  const { headers } = request()
  const sockets: Socket[] = []
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (let started = 0; started < STRANGERS; started += 100) {
    sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => sendHalfBody(port, headers)))))
    for (let number = 0; number < 5; number++) {
      const id = `${started}-${number}`
      const message = order({ requestId: `r-${id}`, merchantBizNo: `b-${id}` })
      expect(summarize(await send(port, request({ message })))).toStrictEqual(SUCCESS)
    }
  }
  // maxReadingBytes is 64 MiB: the strangers that came first have to make room.
  const refused = () => events.filter(({ kind }) => kind === 'rejected')
  await until(() => refused().length > STRANGERS / 2)
  for (const event of refused()) expect(event).toMatchObject({ code: 'ERR_TRAFFIC', clientId: CLIENT_ID })
  // What a socket has just delivered counts as well until it is dropped, so one look can be too early.
  await until(() => memoryInUse() - idle < 100 * MIB)
  expect(events.filter(({ kind }) => kind === 'processed')).toHaveLength(50)
}, 60_000)
