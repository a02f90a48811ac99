/**
 * A server in its own process. The first message says which server to start; the worker sends its port back. To every
 * other message it sends back the event loop time since the start of the process.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import process from 'node:process'
import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
import { toNodeListener } from 'alipayhk-order-sync/node'
import { CLIENT_ID } from '../tests/support/messages.ts'
import { createHandWrittenListener } from './hand-written-server.ts'
import { sendPort } from './listen.ts'
import { type MerchantKeys, merchantKeys, type PemKeys, TOLERANCE_SECONDS } from './scenarios.ts'

/** The first message. */
export interface ServerSetup {
  readonly kind: keyof typeof KINDS
  readonly keys: PemKeys
}

/** Less than the orders of a round: the next round sends the same orders, and they must be new again. */
const MAX_REMEMBERED = 300

const KINDS = {
  ours: ({ privateKey, peerKey }: MerchantKeys): RequestListener =>
    toNodeListener(
      createOrderSyncHandler({
        credentials: { clientId: CLIENT_ID, privateKeys: { 1: privateKey }, peerPublicKeys: { 1: peerKey } },
        clockToleranceSeconds: TOLERANCE_SECONDS,
        store: memoryStore({ maxOrders: MAX_REMEMBERED, maxRequests: MAX_REMEMBERED }),
        onOrder: ({ merchantBizNo }) => ({ orderId: `A-${merchantBizNo}` }),
      }),
    ),
  'hand-written': (keys: MerchantKeys): RequestListener => createHandWrittenListener(keys),
  'hand-written, signs on the event loop': (keys: MerchantKeys): RequestListener =>
    createHandWrittenListener(keys, 'event loop'),
}

process.once('message', ({ kind, keys }: ServerSetup) => {
  const listener = KINDS[kind](merchantKeys(keys))
  const server = createServer((request, response) => {
    if (request.url === '/health') response.writeHead(200, { 'Content-Length': 2 }).end('ok')
    else listener(request, response)
  })
  sendPort(server)
  process.on('message', () => process.send?.(eventLoopTime()))
})

/** CPU time of the event loop's thread in microseconds; 0 on systems that do not report it. */
function eventLoopTime(): number {
  const file = `/proc/self/task/${process.pid}/schedstat`
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split(' ')[0]) / 1_000 : 0
}
