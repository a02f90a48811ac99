/** The peer of a client, in a process of its own: answers every request with an answer that was signed before. */
import { createPrivateKey } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { signedResponse, success } from '../tests/support/messages.ts'
import type { KeyTexts } from './traffic.ts'

process.once('message', ({ gateway }: KeyTexts) => {
  const { headers, body } = signedResponse(success(), { key: createPrivateKey(gateway), time: new Date().toISOString() })
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => response.writeHead(200, { ...headers, 'Content-Length': body.length }).end(body))
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
})
