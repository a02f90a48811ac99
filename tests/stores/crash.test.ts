import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, inject, test } from 'vitest'
import { keyFolder, run } from '../support/processes.ts'
import { hasNodeSqlite, isTransactional, type Kind, makePlace, openPlace, type Place } from '../support/stores.ts'

const mysqlUrl = inject('mysqlUrl')
const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

const kinds: readonly { kind: Kind; url: string | undefined }[] = [
  { kind: hasNodeSqlite ? 'node:sqlite' : 'better-sqlite3', url: '' },
  { kind: 'postgres', url: postgresUrl },
  { kind: 'transactional', url: postgresUrl },
  { kind: 'mysql', url: mysqlUrl },
  { kind: 'transactional-mysql', url: mysqlUrl },
  { kind: 'redis', url: redisUrl },
]

/** The steps of a delivery at which the process dies, and how often the effect has then happened in the end. */
const steps = [
  { step: 'before claim', effects: 1 },
  { step: 'after claim', effects: 1 },
  { step: 'before the effect', effects: 1 },
  // The effect happened but is not recorded yet. Transactional mode closes this gap.
  { step: 'after the effect', effects: 2 },
  { step: 'before finish', effects: 2 },
  { step: 'after finish', effects: 1 },
  { step: 'before the response', effects: 1 },
] as const

/** SHORT is set where all kinds have run on another runtime already. */
const testedKinds = process.env['SHORT'] ? kinds.filter(({ kind }) => isTransactional(kind)) : kinds

const keys = keyFolder()
afterAll(keys.remove)

for (const { kind, url } of testedKinds) {
  describe.skipIf(url === undefined)(kind, () => {
    test.concurrent.for(steps)(
      'processes the order after a process was killed $step',
      { timeout: 60_000 },
      async ({ step, effects }, { expect, onTestFinished }) => {
        const { place, remove } = await makePlace(kind, url ?? '')
        onTestFinished(remove)
        const effectsFile = join(keys.folder, `effects-${kind}-${step}`.replaceAll(/\W/g, '-'))
        writeFileSync(effectsFile, '')
        if (isTransactional(kind)) await query(place, 'CREATE TABLE effects (order_no varchar(64))')
        const deliver = (dieAt: string) =>
          run('tests/stores/crash-worker.ts', [place, effectsFile, dieAt, keys.gateway, keys.merchant])

        const killed = await deliver(step)
        const again = await deliver('none')
        const count = isTransactional(kind)
          ? (await query(place, 'SELECT * FROM effects')).length
          : readFileSync(effectsFile, 'utf8').split('\n').length - 1

        expect(killed).toMatchObject({ signal: 'SIGKILL', stdout: '' })
        expect(again).toMatchObject({ code: 0, stderr: '' })
        expect(JSON.parse(again.stdout)).toEqual({ resultCode: 'SUCCESS', orderId: 'BIZ-0001' })
        expect(count).toBe(isTransactional(kind) ? 1 : effects)
      },
    )
  })
}

async function query(place: Place, text: string): Promise<unknown[]> {
  const { rows, close } = await openPlace(place)
  const result = await rows?.(text)
  await close()
  return Array.isArray(result) ? result : []
}
