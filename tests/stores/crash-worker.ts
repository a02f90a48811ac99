/**
 * A process that receives one order and, if told so, kills itself at one of its steps; prints what it answers.
 *
 * Arguments: place, file of effects, the step to die at or "none", the gateway's and the merchant's private keys as PEM files.
 * In transactional mode the effect is a row in a table of the merchant's, made through `context.transaction`.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { appendFileSync, readFileSync } from 'node:fs'
import process from 'node:process'
import type { PoolClient } from 'pg'
import { createOrderSyncHandler } from '../../src/server/handler.ts'
import type { OrderSyncStore } from '../../src/stores/store.ts'
import { CLIENT_ID, order, request } from '../support/messages.ts'
import { openPlace, type Place } from '../support/stores.ts'

const [place = '', effects = '', step = 'none', gatewayPem = '', merchantPem = ''] = process.argv.slice(2)
const gatewayKey = createPrivateKey(readFileSync(gatewayPem))

/** As sudden as a power failure, as far as this process is concerned. */
function dieAt(reached: string): void {
  if (reached === step) process.kill(process.pid, 'SIGKILL')
}

const { store, transactional, close } = await openPlace(place as Place)

/** The store, with places to die at around its steps. */
function mortal<Transaction>(inner: OrderSyncStore<Transaction>): OrderSyncStore<Transaction> {
  return {
    ...inner,
    async claim(delivery, options) {
      dieAt('before claim')
      const claim = await inner.claim(delivery, options)
      if (claim.decision === 'process') dieAt('after claim')
      return claim
    },
    async finish(claimed, end) {
      dieAt('before finish')
      const kept = await inner.finish(claimed, end)
      dieAt('after finish')
      return kept
    },
    ...(inner.finishInTransaction && {
      async finishInTransaction(claimed, work) {
        const kept = await inner.finishInTransaction?.(claimed, async (transaction) => {
          const end = await work(transaction)
          dieAt('before finish')
          return end
        })
        dieAt('after finish')
        return kept ?? false
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
  // The lease is what the next process has to wait for.
  timeoutMs: 1_400,
  leaseMs: 1_500,
  busyWaitMs: 1_300,
}

const handler = transactional
  ? createOrderSyncHandler<unknown, PoolClient>({
      ...settings,
      store: mortal(transactional),
      async onOrder({ merchantBizNo }, { transaction }) {
        dieAt('before the effect')
        await transaction.query('INSERT INTO effects (order_no) VALUES ($1)', [merchantBizNo])
        dieAt('after the effect')
        return { orderId: merchantBizNo }
      },
    })
  : createOrderSyncHandler<unknown, unknown>({
      ...settings,
      store: mortal(store),
      async onOrder({ merchantBizNo }) {
        dieAt('before the effect')
        appendFileSync(effects, `${merchantBizNo}\n`)
        dieAt('after the effect')
        return { orderId: merchantBizNo }
      },
    })

// As a gateway does: again, with a new time and signature, while it is told to come later.
for (let tries = 0; tries < 20; tries++) {
  const { body } = await handler(request({ message: order(), key: gatewayKey, time: new Date().toISOString() }))
  const { result, orderId } = JSON.parse(Buffer.from(body).toString()) as {
    result: { resultCode: string }
    orderId?: string
  }
  if (result.resultCode === 'UNKNOWN_EXCEPTION') continue
  dieAt('before the storedResponse')
  console.log(JSON.stringify({ resultCode: result.resultCode, orderId }))
  break
}
await close()
