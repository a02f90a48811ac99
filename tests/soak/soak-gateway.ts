/**
 * The gateway to which the outbox sends, in a process of its own. It verifies each request, fails often, and writes what arrived into a file.
 * It prints its port.
 *
 * Arguments: file of the keys, file of the log, seed. Messages: `reload` reads the keys again, `mode` lets every request fail in one way.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { appendFileSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Order } from '../../src/messages/order.ts'
import { createRandom } from '../chaos/random.ts'
import { isSignedBy, messageOf, refusal, signedResponse, success } from '../support/messages.ts'
import { versionIn } from './gateway.ts'
import type { GatewayKeysFile } from './keys.ts'
import { type GatewayEntry, monotonicSeconds } from './sending-books.ts'
import type { Command } from './soak-replica.ts'

const [keysFile = '', logFile = '', seed = ''] = process.argv.slice(2)
const random = createRandom(Number(seed))

/** How a request fails. `normal` succeeds in most cases, and fails in each of the other ways now and then. */
export type GatewayMode = 'normal' | '5xx' | 'silence' | 'unsigned' | 'slow' | 'unknown' | 'reset'

const FAILURES = ['5xx', 'silence', 'unsigned', 'slow', 'unknown', 'reset'] as const
let mode: GatewayMode = 'normal'
let keys = readKeys()

function readKeys() {
  const { sending, versions } = JSON.parse(readFileSync(keysFile, 'utf8')) as GatewayKeysFile
  return {
    sending,
    versions: new Map(
      Object.entries(versions).map(([version, { gateway, merchant }]) => [
        version,
        { gateway: createPrivateKey(gateway), merchant: createPublicKey(merchant) },
      ]),
    ),
  }
}

const write = (entry: GatewayEntry) => appendFileSync(logFile, `${JSON.stringify(entry)}\n`)
let arrivals = 0

async function receive(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const { method = '', url: path = '' } = incoming
  const headers = incoming.headers as Record<string, string | undefined>
  const received = { headers, body: Buffer.concat(chunks) }
  const foreign = (reason: string) => write({ kind: 'foreign', at: monotonicSeconds(), reason })
  const signer = keys.versions.get(versionIn(received, 'signature'))
  if (signer === undefined || !isSignedBy(received, signer.merchant, { method, path })) {
    foreign('is not signed by a key of the merchant')
    return void response.writeHead(401).end()
  }
  const message = messageOf(received, keys.versions.get(versionIn(received, 'encrypt'))?.gateway)
  const { requestId, merchantBizNo, orderModifyTime } = message as Pick<
    Order,
    'requestId' | 'merchantBizNo' | 'orderModifyTime'
  >
  const id = ++arrivals
  const arrival = { requestId, orderNo: merchantBizNo, modifyTime: orderModifyTime }
  write({ kind: 'arrival', id, at: monotonicSeconds(), ...arrival })
  const failure = mode === 'normal' ? (random.next() < 0.15 ? random.pick(FAILURES) : 'normal') : mode
  response.on('close', () => {
    const isAccepted = response.writableFinished && (failure === 'normal' || failure === 'slow')
    write({ kind: 'end', id, at: monotonicSeconds(), outcome: isAccepted ? 'S' : 'other' })
  })

  if (failure === 'silence') return
  if (failure === 'reset') return void incoming.socket.resetAndDestroy()
  if (failure === '5xx') return void response.writeHead(random.pick([500, 502, 503])).end()
  if (failure === 'slow') await sleep(random.between(300, 1_000))
  const current = keys.versions.get(keys.sending)
  if (current === undefined) throw new Error('The key that signs is missing')
  const isEncrypted = headers['encrypt'] !== undefined
  const signed = signedResponse(failure === 'unknown' ? refusal('UNKNOWN_EXCEPTION', 'U') : success(), {
    ...{ method, path, time: new Date().toISOString(), key: current.gateway, keyVersion: keys.sending },
    ...(isEncrypted && { encryptTo: current.merchant, encryptKeyVersion: keys.sending }),
  })
  const { Signature, ...unsigned } = signed.headers
  response.writeHead(200, failure === 'unsigned' ? unsigned : { ...unsigned, Signature }).end(signed.body)
}

/** What the test sends to the gateway. */
export type GatewayCommand = Command | { readonly kind: 'mode'; readonly mode: GatewayMode }

process.on('message', (command: GatewayCommand) => {
  if (command.kind === 'mode') mode = command.mode
  else if (command.kind === 'reload') {
    keys = readKeys()
    process.send?.({ kind: 'reloaded' })
  }
})

// A worker that was killed in the middle of a request has sent no request.
const server = createServer((incoming, response) => void receive(incoming, response).catch(() => response.destroy()))
process.on('SIGTERM', () => {
  server.closeAllConnections()
  server.close(() => {
    console.log(JSON.stringify({ stillRunning: [] }))
    process.disconnect()
  })
})
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })))
