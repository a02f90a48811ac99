/** A server, in a process of its own: told what to be, it tells its port; asked again, what its event loop has cost so far. */
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
import { toNodeListener } from 'alipayhk-order-sync/node'
import { CLIENT_ID } from '../tests/support/messages.ts'
import { serveByHand } from './by-hand.ts'
import { type KeyTexts, type MerchantKeys, merchantKeys, TOLERANCE_SECONDS } from './traffic.ts'

/** What it is told. */
export interface Serving {
  readonly kind: keyof typeof KINDS
  readonly keys: KeyTexts
}

/** Fewer than the orders of a run: when one comes again in the next, it is new again. */
const REMEMBERED = 300

const KINDS = {
  ours: ({ privateKey, peerKey }: MerchantKeys): RequestListener =>
    toNodeListener(
      createOrderSyncHandler({
        credentials: { clientId: CLIENT_ID, privateKeys: { 1: privateKey }, peerPublicKeys: { 1: peerKey } },
        clockToleranceSeconds: TOLERANCE_SECONDS,
        store: memoryStore({ maxOrders: REMEMBERED, maxRequests: REMEMBERED }),
        onOrder: ({ merchantBizNo }) => ({ orderId: `A-${merchantBizNo}` }),
      }),
    ),
  'by hand': (keys: MerchantKeys): RequestListener => serveByHand(keys),
  'by hand, signing on the main thread': (keys: MerchantKeys): RequestListener => serveByHand(keys, 'main thread'),
}

process.once('message', ({ kind, keys }: Serving) => {
  const listener = KINDS[kind](merchantKeys(keys))
  const server = createServer((request, response) => {
    if (request.url === '/health') response.writeHead(200, { 'Content-Length': 2 }).end('ok')
    else listener(request, response)
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
  process.on('message', () => process.send?.(eventLoopTime()))
})

/** Microseconds of a core that the thread of the event loop has had; 0 where no file of the system says so. */
function eventLoopTime(): number {
  const file = `/proc/self/task/${process.pid}/schedstat`
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split(' ')[0]) / 1_000 : 0
}
