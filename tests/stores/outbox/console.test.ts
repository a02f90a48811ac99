import { describe, expect, inject, onTestFinished, test } from 'vitest'
import type { OutboxState } from '../../../src/console/wire.ts'
import { createConsole } from '../../../src/public/console.ts'
import { OrderRefusedError } from '../../../src/public/index.ts'
import { createOutbox } from '../../../src/public/outbox.ts'
import { createTestOrder } from '../../../src/public/testing.ts'
import { OUTBOX_KINDS, openOutbox } from '../../support/outbox.ts'
import { betterSqliteWorks, makePlace } from '../../support/stores.ts'

const URLS = {
  'better-sqlite3': betterSqliteWorks() ? 'file' : undefined,
  postgres: inject('postgresUrl'),
  mysql: inject('mysqlUrl'),
}

describe.for(OUTBOX_KINDS)('the console of an outbox in %s', (kind) => {
  test.runIf(URLS[kind])('shows, retries and discards failed events', async () => {
    const { place, remove } = await makePlace(kind, URLS[kind] ?? '')
    const { store, close } = await openOutbox(place)
    onTestFinished(async () => {
      await close()
      await remove()
    })
    let refuses = true
    const syncOrder = async ({ requestId = '' }) => {
      if (refuses) throw new OrderRefusedError('PARAM_ILLEGAL', 'no', { requestId })
      const response = { result: { resultCode: 'SUCCESS', resultStatus: 'S' } } as const
      return { orderId: 'A', requestId, attempts: 1, tracerId: undefined, response }
    }
    const outbox = createOutbox({ store, client: { syncOrder }, onEvent: () => {} })
    const page = createConsole({ outbox })
    onTestFinished(page.close)
    const ask = async (path: string, body?: object): Promise<OutboxState> => {
      const origin = 'http://127.0.0.1:3000'
      const init = body && {
        method: 'POST',
        headers: { Origin: origin, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }
      const response = await page.fetch(new Request(`${origin}${page.path}api/${path}`, init))
      expect(response.status).toBe(200)
      return (await response.json()) as OutboxState
    }

    const orders = ['ORDER-0001', 'ORDER-0002'].map((merchantBizNo) => createTestOrder({ merchantBizNo }))
    await outbox.enqueueAll(orders)
    expect(await ask('outbox')).toMatchObject({ waiting: 2, failed: 0, failures: [] })
    await outbox.drain()
    const { failed, failures } = await ask('outbox')
    expect({ failed, orders: failures.map(({ order }) => order).sort() }).toEqual({
      failed: 2,
      orders: ['••••0001', '••••0002'],
    })
    const [first, second] = failures
    expect(first).toMatchObject({ code: 'PARAM_ILLEGAL', attempts: 1 })
    expect((await ask('outbox?show=1')).failures.map(({ order }) => order).sort()).toEqual(['ORDER-0001', 'ORDER-0002'])
    expect(await ask('outbox/retry', { id: first?.id })).toMatchObject({ waiting: 1, failed: 1 })
    expect(await ask('outbox/discard', { id: second?.id })).toMatchObject({ waiting: 1, failed: 0 })
    expect(await ask('outbox/discard', { id: "1' OR '1'='1" })).toMatchObject({ waiting: 1, failed: 0 })
    refuses = false
    expect(await outbox.drain()).toMatchObject({ sent: 1 })
    expect(await ask('outbox')).toMatchObject({ waiting: 0, failed: 0 })
  })
})
