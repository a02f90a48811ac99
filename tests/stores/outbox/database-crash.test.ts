import { expect, inject, onTestFinished, test } from 'vitest'
import { createOutbox } from '../../../src/public/outbox.ts'
import { createTestOrder } from '../../../src/public/testing.ts'
import { openOutbox } from '../../support/outbox.ts'
import { startPrivatePostgres } from '../../support/services.ts'

test.skipIf(inject('postgresUrl') === undefined)(
  'a claim of the outbox survives a crash of PostgreSQL: its worker is alive and still sends',
  async () => {
    const postgres = (await startPrivatePostgres()) ?? expect.fail('PostgreSQL cannot be started')
    onTestFinished(postgres.stop, 30_000)
    const { store, rows, close } = await openOutbox(`postgres ${postgres.url} public`)
    onTestFinished(async () => void (await close()))
    // Only a commit that waits for the disk is on the disk.
    await rows(`ALTER SYSTEM SET wal_writer_delay = '10s'`)
    await rows('SELECT pg_reload_conf()')
    const outbox = createOutbox({ store, client: { syncOrder: () => expect.fail('nothing is sent') } })
    await outbox.enqueue(createTestOrder({ requestId: 'r-1' }))
    const request = { limit: 10, leaseMs: 120_000, policy: 'latest', keepSentMs: 86_400_000 } as const
    expect((await store.claim(request)).events).toMatchObject([{ requestId: 'r-1' }])

    await postgres.restart('SIGQUIT')
    expect(await store.claim(request)).toMatchObject({ events: [], dropped: [] })
    expect(await store.stats()).toMatchObject({ inFlight: 1 })
  },
)
