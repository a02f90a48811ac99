/**
 * Receives one order in a process of its own, kills itself at the given step, and otherwise prints the result.
 *
 * Arguments: place, file of effects, the step to die at or "none", the gateway's and the merchant's private keys as PEM files.
 * In transactional mode the effect is a row in the merchant's own table, written through `context.transaction`.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { appendFileSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { createOrderSyncHandler } from '../../src/server/handler.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { CLIENT_ID, order, request } from '../support/messages.ts'
import { openPlace, type Place, type SqlTransaction } from '../support/stores.ts'

const [place = '', effects = '', step = 'none', gatewayPem = '', merchantPem = ''] = process.argv.slice(2)
const gatewayKey = createPrivateKey(readFileSync(gatewayPem))

/** For this process, SIGKILL is as sudden as a power failure. */
function dieAt(reached: string): void {
  if (reached === step) process.kill(process.pid, 'SIGKILL')
}

const { store, inTransaction, close } = await openPlace(place as Place)

/** The store, with a step to die at before and after each of its methods. */
function withCrashSteps<Transaction>(inner: OrderSyncStore<Transaction>): OrderSyncStore<Transaction> {
  return {
    ...inner,
    async claim(delivery, options) {
      dieAt('before claim')
      const result = await inner.claim(delivery, options)
      if (result.decision === 'process') dieAt('after claim')
      return result
    },
    async finish(held, completion) {
      dieAt('before finish')
      const finished = await inner.finish(held, completion)
      dieAt('after finish')
      return finished
    },
    ...(inner.finishInTransaction && {
      async finishInTransaction(held, work) {
        const finished = await inner.finishInTransaction?.(held, async (transaction) => {
          const completion = await work(transaction)
          dieAt('before finish')
          return completion
        })
        dieAt('after finish')
        return finished ?? false
      },
    }),
  }
}

const settings = {
  credentials: {
    clientId: CLIENT_ID,
    privateKeys: { 1: createPrivateKey(readFileSync(merchantPem)) },
    peerPublicKeys: { 1: createPublicKey(gatewayKey) },
  },
  // Short: the next process must wait until the lease expires.
  timeoutMs: 1_400,
  leaseMs: 1_500,
  busyWaitMs: 1_300,
}

const handler = inTransaction
  ? createOrderSyncHandler<unknown, SqlTransaction>({
      ...settings,
      store: withCrashSteps(inTransaction),
      async onOrder({ merchantBizNo }, { transaction }) {
        dieAt('before the effect')
        await transaction.query(`INSERT INTO effects (order_no) VALUES ('${merchantBizNo}')`)
        dieAt('after the effect')
        return { orderId: merchantBizNo }
      },
    })
  : createOrderSyncHandler<unknown, unknown>({
      ...settings,
      store: withCrashSteps(store),
      async onOrder({ merchantBizNo }) {
        dieAt('before the effect')
        appendFileSync(effects, `${merchantBizNo}\n`)
        dieAt('after the effect')
        return { orderId: merchantBizNo }
      },
    })

// Retries as a gateway does, with a new time and signature, while the result is UNKNOWN_EXCEPTION.
for (let tries = 0; tries < 20; tries++) {
  const { body } = await handler(request({ message: order(), key: gatewayKey, time: new Date().toISOString() }))
  const { result, orderId } = JSON.parse(Buffer.from(body).toString()) as {
    result: { resultCode: string }
    orderId?: string
  }
  if (result.resultCode === 'UNKNOWN_EXCEPTION') continue
  dieAt('before the response')
  console.log(JSON.stringify({ resultCode: result.resultCode, orderId }))
  break
}
await close()
