import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { Client, Pool, type PoolClient } from 'pg'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { install } from '../../../scripts/install.ts'
import { createRandom, shuffled } from '../../../src/testing/simulator/random.ts'

// The recipe of docs/outbox.md for those who have pg-boss. It needs Node.js 22.12.

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const runs = major > 22 || (major === 22 && minor >= 12)
const url = inject('postgresUrl')
const ORDERS = 30
const VERSIONS = 15
const WORKERS = 4

interface Database {
  executeSql(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

interface Boss {
  on(event: 'error', listener: (error: Error) => void): void
  start(): Promise<unknown>
  stop(options: object): Promise<unknown>
  createQueue(name: string, options: object): Promise<unknown>
  upsert(name: string, data: object, options: { singletonKey: string; db: Database }): Promise<unknown>
  fetch(name: string): Promise<readonly { id: string; data: { merchantBizNo: string } }[]>
  complete(name: string, id: string): Promise<unknown>
  fail(name: string, id: string, error: object): Promise<unknown>
  findJobs(name: string, options: { queued: boolean }): Promise<readonly unknown[]>
}

const toDatabase = (client: PoolClient): Database => ({
  executeSql: (text, values) => client.query(text, values),
})

describe.skipIf(!runs || url === undefined)('docs/outbox.md, the recipe for pg-boss', () => {
  test('sends the newest state of each order last, one send of an order at a time, and loses none', async () => {
    install('tests/pg-boss', '.cache/pg-boss')
    const { PgBoss } = createRequire(resolve('.cache/pg-boss/package.json'))('pg-boss') as {
      PgBoss: new (options: object) => Boss
    }
    const schema = `boss_${process.pid}`
    const admin = new Client({ connectionString: url })
    await admin.connect()
    const writers = new Pool({ connectionString: url, max: 2 })
    const readers = new Pool({ connectionString: url, max: WORKERS })
    const boss = new PgBoss({ connectionString: url, schema, max: 6, supervise: false, schedule: false })
    const errors: Error[] = []
    boss.on('error', (error) => errors.push(error))
    await boss.start()
    onTestFinished(async () => {
      await boss.stop({ graceful: false })
      await Promise.all([writers.end(), readers.end()])
      await admin.query(`DROP SCHEMA ${schema} CASCADE`)
      await admin.end()
    })
    await admin.query(`CREATE TABLE ${schema}.orders (no text PRIMARY KEY, version int NOT NULL)`)
    await boss.createQueue('order-sync', { policy: 'stately', retryLimit: 1_000, retryDelay: 0 })

    const random = createRandom(7)
    const sending = new Set<string>()
    const overlaps: string[] = []
    const sent = new Map<string, number[]>()
    let isWriting = true

    async function work(): Promise<void> {
      for (;;) {
        const [job] = await boss.fetch('order-sync')
        if (job === undefined) {
          if (!isWriting && (await boss.findJobs('order-sync', { queued: true })).length === 0) return
          continue
        }
        const { merchantBizNo } = job.data
        const { rows } = await readers.query<{ version: number }>(
          `SELECT version FROM ${schema}.orders WHERE no = $1`,
          [merchantBizNo],
        )
        if (sending.has(merchantBizNo)) overlaps.push(merchantBizNo)
        sending.add(merchantBizNo)
        // Some round trips long: meanwhile the next state is written, and the other workers look for jobs.
        for (let trips = Math.floor(random() * 12); trips > 0; trips--) await readers.query('SELECT 1')
        sent.set(merchantBizNo, [...(sent.get(merchantBizNo) ?? []), rows[0]?.version ?? Number.NaN])
        sending.delete(merchantBizNo)
        // The response of one send in five is lost: it arrived, and is sent again.
        if (random() < 0.2) await boss.fail('order-sync', job.id, { message: 'lost' })
        else await boss.complete('order-sync', job.id)
      }
    }

    async function write(merchantBizNo: string): Promise<void> {
      const client = await writers.connect()
      try {
        await client.query('BEGIN')
        await client.query(
          `INSERT INTO ${schema}.orders VALUES ($1, 1) ON CONFLICT (no) DO UPDATE SET version = orders.version + 1`,
          [merchantBizNo],
        )
        const options = { singletonKey: merchantBizNo, db: toDatabase(client) }
        await boss.upsert('order-sync', { merchantBizNo }, options)
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      } finally {
        client.release()
      }
    }

    const workers = Promise.all(Array.from({ length: WORKERS }, work))
    const writes = Array.from({ length: VERSIONS }, () => Array.from({ length: ORDERS }, (_, no) => `O-${no}`)).flat()
    await Promise.all(shuffled(writes, random).map(write))
    isWriting = false
    await workers

    expect(errors).toEqual([])
    expect(overlaps).toEqual([])
    expect(sent.size).toBe(ORDERS)
    for (const versions of sent.values()) expect(versions.at(-1)).toBe(VERSIONS)
  }, 60_000)
})
