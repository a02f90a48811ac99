import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { PATH, request } from '../support/messages.ts'
import type { TcpProxy } from '../support/proxy/tcp.ts'
import type { ChaosMerchant } from './merchant.ts'
import type { Random } from './random.ts'

/** What a fault may break. */
export interface Targets {
  readonly merchants: readonly ChaosMerchant[]
  /** Whether the store survives the end of its process. */
  readonly isDurable: boolean
  /** Between the merchants and the server of their store. */
  readonly proxy?: TcpProxy | undefined
  /** Ends every connection to the database, as a restart or a failover does. */
  readonly terminateConnections?: (() => Promise<void>) | undefined
  /** The SQLite file. */
  readonly file?: string | undefined
}

/** Breaks something, and repairs it before it resolves. */
export type Fault = (random: Random) => Promise<void>

/** The faults that are possible with these targets, by name. */
export function faultsOf({
  merchants,
  isDurable,
  proxy,
  terminateConnections,
  file,
}: Targets): Readonly<Record<string, Fault>> {
  return {
    async 'a frozen process'(random) {
      const merchant = random.pick(merchants)
      merchant.freeze()
      await sleep(random.between(200, 2_500))
      merchant.resume()
    },
    'half-sent bodies': async (random) => await sendHalfBodies(merchants, random),
    ...(isDurable && {
      async 'a killed process'(random: Random) {
        const merchant = random.pick(merchants)
        await merchant.kill()
        await sleep(random.between(0, 300))
        await merchant.start()
      },
    }),
    ...(proxy && {
      async 'cut connections'() {
        proxy.cutAll()
      },
      async 'a dark network'(random: Random) {
        proxy.goDark()
        await sleep(random.between(300, 2_500))
        proxy.light()
        // What is left of the old connections is reset when their packets arrive again.
        proxy.cutAll()
      },
    }),
    ...(terminateConnections && { 'terminated connections': terminateConnections }),
    ...(file !== undefined && {
      'another writer': async (random: Random) => await lockDatabase(file, random.between(200, 1_500)),
    }),
  }
}

/** Strangers that know the Client-Id send half of a body. Some stay, some reset the connection. */
async function sendHalfBodies(merchants: readonly ChaosMerchant[], random: Random): Promise<void> {
  const { headers } = request({ time: new Date().toISOString() })
  const lines = Object.entries({ Host: 'x', ...headers, 'Content-Length': '10000' }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  const sockets: Socket[] = []
  for (let stranger = 0; stranger < 60; stranger++) {
    const port = random.pick(merchants).port()
    if (port === undefined) continue
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`POST ${PATH} HTTP/1.1\r\n${lines.join('')}\r\n${'x'.repeat(random.between(0, 9_999))}`),
    )
    socket.on('error', () => undefined)
    sockets.push(socket)
  }
  await sleep(random.between(100, 1_000))
  for (const socket of sockets) {
    if (random.next() < 0.5) socket.resetAndDestroy()
    else socket.destroy()
  }
}

/** Holds the write lock of SQLite. */
async function lockDatabase(file: string, durationMs: number): Promise<void> {
  // Installed when this test starts: see scripts/install-drivers.ts.
  const { default: Database } = await import('better-sqlite3')
  const database = new Database(file, { timeout: 5_000 })
  try {
    database.exec('BEGIN IMMEDIATE')
    await sleep(durationMs)
    database.exec('ROLLBACK')
  } finally {
    database.close()
  }
}
