/** The peer of a client, in its own process. It signs a response every 30 s, and sends it to every request meanwhile. */
import { createPrivateKey } from 'node:crypto'
import { createServer } from 'node:http'
import process from 'node:process'
import { signedResponse, success } from '../tests/support/messages.ts'
import { sendPort } from './listen.ts'
import type { PemKeys } from './scenarios.ts'

/** Milliseconds. A client refuses a response that is more than 60 s older than its request. */
const SIGN_EVERY = 30_000

process.once('message', ({ gateway }: PemKeys) => {
  const key = createPrivateKey(gateway)
  const sign = () => signedResponse(success(), { key, time: new Date().toISOString() })
  let signed = sign()
  setInterval(() => {
    signed = sign()
  }, SIGN_EVERY).unref()
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      const { headers, body } = signed
      response.writeHead(200, { ...headers, 'Content-Length': body.length }).end(body)
    })
  })
  sendPort(server)
})
