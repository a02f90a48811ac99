import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createOutbox, type Outbox } from '../../src/outbox/outbox.ts'
import { postgresOutboxStore } from '../../src/stores/outbox-postgres.ts'
import { createTestOrder } from '../../src/testing/test-order.ts'
import type { Random } from '../chaos/random.ts'
import { createSoakPool } from './pool.ts'

/** The merchant's application: it changes orders, and writes each change into the outbox in the same transaction. */
export interface SendingLoad {
  /** Transactions that were begun, and those whose commit was confirmed. */
  readonly counts: Readonly<{ begun: number; confirmed: number }>
  /** Resolves when every transaction that was begun before {@link stop} has ended. */
  readonly run: () => Promise<void>
  readonly stop: () => void
  readonly close: () => Promise<void>
}

/** Creates the load: `rate` orders a second, each of one to four versions. */
export function createSendingLoad(
  url: string,
  applicationName: string,
  { rate, random }: { readonly rate: number; readonly random: Random },
): SendingLoad {
  const pool = createSoakPool(url, applicationName, 4)
  const client = { syncOrder: () => Promise.reject(new Error('The application does not send')) }
  const outbox: Outbox = createOutbox({ store: postgresOutboxStore({ pool }), client })
  const counts = { begun: 0, confirmed: 0 }
  const inFlight = new Set<Promise<void>>()
  const name = `sending-${random.between(0, 1e9)}`
  let isStopped = false

  /** One in ten rolls back. The table `sends` has each version whose commit was carried out, also if the confirmation was lost. */
  async function change(orderNo: string, modifyTime: number): Promise<void> {
    counts.begun++
    const requestId = `${orderNo}-${modifyTime % 100_000}`
    const transaction = await pool.connect()
    let isBroken = true
    try {
      await transaction.query('BEGIN')
      await transaction.query(`INSERT INTO sends VALUES ('${requestId}', '${orderNo}', ${modifyTime})`)
      const order = createTestOrder({
        ...{ requestId, merchantBizNo: orderNo, orderCreateTime: modifyTime - 60_000, orderModifyTime: modifyTime },
      })
      await outbox.enqueue(order, { transaction })
      const isRolledBack = random.next() < 0.1
      await transaction.query(isRolledBack ? 'ROLLBACK' : 'COMMIT')
      isBroken = false
      if (!isRolledBack) counts.confirmed++
    } finally {
      transaction.release(isBroken)
    }
  }

  async function changeOrder(orderNo: string): Promise<void> {
    const startedAt = Date.now()
    const versions = Array.from({ length: random.between(1, 4) }, (_, version) => startedAt + version)
    // Some transactions commit after a newer one.
    const inOrder = random.next() < 0.8 ? versions : random.shuffle(versions)
    for (const modifyTime of inOrder) {
      // The database may be down: then this version does not exist.
      await change(orderNo, modifyTime).catch(() => undefined)
      await sleep(random.between(0, 1_500))
    }
  }

  return {
    counts,
    async run() {
      for (let order = 1; !isStopped; order++) {
        const changing = changeOrder(`${name}-${order}`)
        inFlight.add(changing)
        changing.finally(() => inFlight.delete(changing)).catch(() => undefined)
        await sleep(random.between(0, 2_000 / rate))
      }
      await Promise.all(inFlight)
    },
    stop() {
      isStopped = true
    },
    close: () => pool.end(),
  }
}

/** The entries of a log. The last line of a process that was killed may be cut off. */
export function readLog<Entry>(file: string): Entry[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as Entry]
    } catch {
      return []
    }
  })
}
