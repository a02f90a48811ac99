import { expect, test } from 'vitest'
import { deferred } from '../support/deferred.ts'
import { merchant, SUCCESS, summarize } from '../support/merchant.ts'
import { order, request } from '../support/messages.ts'

const TOO_MUCH = {
  status: 429,
  resultCode: 'REQUEST_TRAFFIC_EXCEED_LIMIT',
  resultStatus: 'U',
  signed: true,
  encrypted: false,
}

const delivery = (number: number) =>
  request({ message: order({ requestId: `r-${number}`, merchantBizNo: `b-${number}` }) })

test('beyond maxConcurrent the peer is told to come later, signed, and nothing is done; below it all goes on', async () => {
  const gate = deferred()
  const { handler, onOrder, events, store } = merchant({
    maxConcurrent: 2,
    onOrder: async () => {
      await gate.promise
      return { orderId: 'A-1' }
    },
  })
  const taken = [handler(delivery(1)), handler(delivery(2))]
  expect(summarize(await handler(delivery(3)))).toEqual(TOO_MUCH)
  expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_TRAFFIC' }])
  expect(store.claim).toHaveBeenCalledTimes(2)
  gate.resolve()
  for (const reply of taken) expect(summarize(await reply)).toEqual(SUCCESS)
  expect(summarize(await handler(delivery(3)))).toEqual(SUCCESS)
  expect(onOrder).toHaveBeenCalledTimes(3)
})

test('work that outlived its answer still counts', async () => {
  const gate = deferred()
  const { handler } = merchant({
    maxConcurrent: 1,
    timeoutMs: 5,
    onOrder: async ({ merchantBizNo }) => {
      if (merchantBizNo === 'b-1') await gate.promise
      return { orderId: 'A-1' }
    },
  })
  expect(summarize(await handler(delivery(1)))).toMatchObject({ resultCode: 'UNKNOWN_EXCEPTION' })
  expect(summarize(await handler(delivery(2)))).toEqual(TOO_MUCH)
  gate.resolve()
  await handler.drain()
  expect(summarize(await handler(delivery(2)))).toEqual(SUCCESS)
})

test('a body that never ends stops counting when its time is up, and holds up no shutdown', async () => {
  const { handler } = merchant({ maxConcurrent: 1, timeoutMs: 5 })
  const silent = { ...delivery(1), body: new ReadableStream<Uint8Array>() }
  expect(summarize(await handler(silent))).toMatchObject({ status: 500, resultCode: 'UNKNOWN_EXCEPTION' })
  await handler.drain()
  expect(summarize(await handler(delivery(2)))).toEqual(SUCCESS)
})
