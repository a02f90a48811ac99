/**
 * Enqueues one order in a transaction of the merchant, or sends what waits, in a process of its own, and kills itself at the
 * given step. Arguments: place, file that stands for the peer, "enqueue" or "send", the step or "none".
 */
import process from 'node:process'
import { createOutbox } from '../../../src/public/outbox.ts'
import { createTestOrder } from '../../../src/public/testing.ts'
import { openOutbox, peerIn } from '../../support/outbox.ts'
import type { Place } from '../../support/stores.ts'

const [place = '', peer = '', task = '', step = 'none'] = process.argv.slice(2)

/** For this process, SIGKILL is as sudden as a power failure. */
function dieAt(reached: string): void {
  if (reached === step) process.kill(process.pid, 'SIGKILL')
}

const { store, inTransaction, close } = await openOutbox(place as Place)

const client = peerIn(peer, dieAt)
const crashing = {
  ...store,
  async claim(request: Parameters<typeof store.claim>[0]) {
    dieAt('before claim')
    const claimed = await store.claim(request)
    dieAt('after claim')
    return claimed
  },
  async finish(...args: Parameters<typeof store.finish>) {
    dieAt('before finish')
    const lost = await store.finish(...args)
    dieAt('after finish')
    return lost
  },
}
const outbox = createOutbox({ store: crashing, client, onEvent: () => {} })

if (task === 'enqueue') {
  const order = createTestOrder({ merchantBizNo: 'A-1', requestId: 'r-1' })
  await inTransaction(async (transaction, run) => {
    await run(`INSERT INTO shop VALUES ('A-1')`)
    dieAt('before enqueue')
    await outbox.enqueue(order, { transaction })
    dieAt('after enqueue')
  })
  dieAt('after commit')
} else await outbox.drain()
await close()
console.log('done')
