/** The peer of a client, in its own process. It sends the same signed response to every request. */
import { createPrivateKey } from 'node:crypto'
import { createServer } from 'node:http'
import process from 'node:process'
import { signedResponse, success } from '../tests/support/messages.ts'
import { sendPort } from './listen.ts'
import type { PemKeys } from './scenarios.ts'

process.once('message', ({ gateway }: PemKeys) => {
  const { headers, body } = signedResponse(success(), {
    key: createPrivateKey(gateway),
    time: new Date().toISOString(),
  })
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => response.writeHead(200, { ...headers, 'Content-Length': body.length }).end(body))
  })
  sendPort(server)
})
