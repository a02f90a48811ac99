import process from 'node:process'
import type { RowDataPacket } from 'mysql2/promise'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { transactionalMysqlStore } from '../../src/stores/mysql.ts'
import { migrateMysql } from '../../src/stores/mysql-migration.ts'
import { run } from '../support/processes.ts'
import { type Cut, startCuttingProxy } from '../support/proxy/cutting.ts'
import { makePlace, mysqlPoolAt } from '../support/stores.ts'

const url = inject('mysqlUrl')

/** STRESS_SECONDS=60 for a long run. */
const SECONDS = Number(process.env['STRESS_SECONDS'] ?? 3)

const delivery = {
  orderKey: 'order',
  requestKey: 'request',
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
}
// The lease of a claim whose response was lost ends at once.
const claimOptions = { leaseMs: 1, compareModifyTimeWith: 'orderModifyTime' } as const

async function newDatabase(): Promise<string> {
  const { place, remove } = await makePlace('transactional-mysql', url ?? '')
  onTestFinished(remove)
  return place.split(' ')[2] ?? ''
}

describe.skipIf(url === undefined)('a process with transactionalMysqlStore', () => {
  test(`survives that its connections are killed for ${SECONDS} s, and records each effect with its order`, {
    timeout: (SECONDS + 30) * 1_000,
  }, async () => {
    const { code, stderr, stdout } = await run('tests/stores/terminated-mysql-worker.ts', [
      url ?? '',
      await newDatabase(),
      String(SECONDS),
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { processed, failed, wrong } = JSON.parse(stdout)
    expect(processed).toBeGreaterThan(0)
    expect(failed).toBeGreaterThan(0)
    expect(wrong).toBe(0)
  })
})

describe.skipIf(url === undefined)('transactionalMysqlStore with a closed connection', () => {
  // The login, the claim, the begin, the write, and the finish with its commit.
  const cuts = [1, 2, 3, 4, 5].flatMap((chunk) => (['before', 'after'] as const).map((side) => ({ chunk, side })))

  test.each<Cut>(cuts)('$side chunk $chunk has the effect once, together with the record of the order', async (cut) => {
    const database = await newDatabase()
    const direct = mysqlPoolAt(url ?? '', database, { connectionLimit: 1 })
    await migrateMysql(direct)
    await direct.query('CREATE TABLE effects (order_no varchar(64)) ENGINE = InnoDB')
    const { hostname, port } = new URL(url ?? '')
    const proxy = await startCuttingProxy({ host: hostname, port: Number(port || 3306) }, cut)
    const through = new URL(url ?? '')
    through.host = `127.0.0.1:${proxy.port}`
    const pool = mysqlPoolAt(through.href, database, { connectionLimit: 1 })
    onTestFinished(async () => {
      await Promise.all([pool.end(), direct.end()])
      await proxy.close()
    })
    const store = transactionalMysqlStore({ pool })

    async function deliver() {
      const claim = await store.claim(delivery, claimOptions)
      if (claim.decision !== 'process') return claim.decision
      const work = async (transaction: { query(text: string): Promise<unknown> }) => {
        await transaction.query(`INSERT INTO effects VALUES ('A-1')`)
        return { storedResponse: 'response', processed: true }
      }
      return await store.finishInTransaction?.({ delivery, token: claim.token }, work)
    }
    async function effects(): Promise<number> {
      return (await direct.query<RowDataPacket[]>('SELECT * FROM effects'))[0].length
    }

    await expect(deliver()).rejects.toThrow()
    expect(proxy.hasCut()).toBe(true)
    const isRecorded = (await transactionalMysqlStore({ pool: direct }).read('order'))?.last !== undefined
    expect(await effects()).toBe(Number(isRecorded))
    await expect.poll(deliver).toBe(isRecorded ? 'replay' : true)
    expect(await effects()).toBe(1)
  })
})
