import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { describe, inject, test } from 'vitest'
import { createOutbox } from '../../../src/public/outbox.ts'
import { createTestOrder } from '../../../src/public/testing.ts'
import { letTimePass, OUTBOX_KINDS, openOutbox, peerIn } from '../../support/outbox.ts'
import { run } from '../../support/processes.ts'
import { betterSqliteWorks, makePlace } from '../../support/stores.ts'

const URLS = {
  'better-sqlite3': betterSqliteWorks() ? 'file' : undefined,
  postgres: inject('postgresUrl'),
  mysql: inject('mysqlUrl'),
}

/** Where the process dies, whether the merchant's row is there after it, and how often the peer gets the request in the end. */
const STEPS = [
  { task: 'enqueue', step: 'before enqueue', rows: 0, requests: 0 },
  { task: 'enqueue', step: 'after enqueue', rows: 0, requests: 0 },
  { task: 'enqueue', step: 'after commit', rows: 1, requests: 1 },
  { task: 'send', step: 'before claim', rows: 1, requests: 1 },
  { task: 'send', step: 'after claim', rows: 1, requests: 1 },
  { task: 'send', step: 'before the request', rows: 1, requests: 1 },
  // The only gap: the response came, and the process died before it was noted. The requestId is the same.
  { task: 'send', step: 'after the response', rows: 1, requests: 2 },
  { task: 'send', step: 'before finish', rows: 1, requests: 2 },
  { task: 'send', step: 'after finish', rows: 1, requests: 1 },
] as const

/** SHORT is set where all kinds have run on another runtime already. */
const kinds = process.env['SHORT'] ? (['postgres'] as const) : OUTBOX_KINDS

describe.for(kinds)('outbox in %s', (kind) => {
  test.runIf(URLS[kind]).concurrent.for(STEPS)(
    'loses and duplicates no event when a process is killed: $task, $step',
    { timeout: 60_000 },
    async ({ task, step, rows, requests }, { expect, onTestFinished }) => {
      const { place, remove } = await makePlace(kind, URLS[kind] ?? '')
      const peer = join(tmpdir(), `order-sync-peer-${process.pid}-${kind}-${step.replaceAll(' ', '-')}`)
      writeFileSync(peer, '')
      onTestFinished(async () => {
        rmSync(peer, { force: true })
        await remove()
      })
      const opened = await openOutbox(place)
      onTestFinished(async () => void (await opened.close()))
      const outbox = createOutbox({ store: opened.store, client: peerIn(peer), onEvent: () => {} })
      if (task === 'send') {
        await opened.inTransaction(async (transaction, run) => {
          await run(`INSERT INTO shop VALUES ('A-1')`)
          await outbox.enqueue(createTestOrder({ merchantBizNo: 'A-1', requestId: 'r-1' }), { transaction })
        })
      }
      const killed = await run('tests/stores/outbox/crash-worker.ts', [place, peer, task, step])
      expect(killed).toMatchObject({ signal: 'SIGKILL', stdout: '' })

      expect(await opened.rows('SELECT no FROM shop')).toHaveLength(rows)
      // The lease of the dead worker ends.
      await letTimePass(opened, 121_000)
      await outbox.drain()
      expect(readFileSync(peer, 'utf8')).toBe('r-1\n'.repeat(requests))
      // What was noted is not sent again.
      expect(await outbox.drain()).toMatchObject({ sent: 0 })
    },
  )
})
