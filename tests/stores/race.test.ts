import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { keyFolder, run } from '../support/processes.ts'
import { hasNodeSqlite, type Kind, makePlace } from '../support/stores.ts'

const PROCESSES = 4
/** SHORT is set where the whole test has run on another runtime already. */
const EVENTS = process.env['SHORT'] ? 1 : 10
/** 100 orders, two requests for each event. */
const DELIVERIES = 100 * 2 * EVENTS

const mysqlUrl = inject('mysqlUrl')
const postgresUrl = inject('postgresUrl')
const redisUrl = inject('redisUrl')

const kinds: readonly { kind: Kind; url: string | undefined }[] = [
  { kind: hasNodeSqlite ? 'node:sqlite' : 'better-sqlite3', url: '' },
  { kind: 'postgres', url: postgresUrl },
  { kind: 'mysql', url: mysqlUrl },
  { kind: 'redis', url: redisUrl },
]

interface Effect {
  readonly merchantBizNo: string
  readonly orderModifyTime: number
  readonly orderStatus: string
}

const keys = keyFolder()
afterAll(keys.remove)

for (const { kind, url } of kinds) {
  describe.skipIf(url === undefined)(kind, () => {
    test(`has one effect for each event, in order, when ${PROCESSES} processes deliver ${DELIVERIES} times each`, async () => {
      const { place, remove } = await makePlace(kind, url ?? '')
      onTestFinished(remove)
      const effectsFile = join(keys.folder, `effects-${kind.replace(':', '-')}`)
      writeFileSync(effectsFile, '')
      const workers = Array.from({ length: PROCESSES }, (_, worker) =>
        run('tests/stores/race-worker.ts', [
          place,
          effectsFile,
          String(worker),
          keys.gateway,
          keys.merchant,
          String(EVENTS),
        ]),
      )
      const ended = await Promise.all(workers)

      for (const { code, stdout, stderr } of ended) {
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
        expect(JSON.parse(stdout)).toMatchObject({ deliveries: DELIVERIES, unexpected: 0 })
      }
      const effects = readFileSync(effectsFile, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line): Effect => JSON.parse(line))
      const byOrder = groupByOrder(effects)
      expect(byOrder.size).toBe(100)
      for (const [merchantBizNo, effectsOfOrder] of byOrder) {
        const times = effectsOfOrder.map(({ orderModifyTime }) => orderModifyTime)
        // Strictly growing: no event twice, and no older one after a newer.
        expect({ merchantBizNo, times }).toEqual({ merchantBizNo, times: [...new Set(times)].sort((a, b) => a - b) })
        expect({ merchantBizNo, last: times.at(-1) }).toEqual({ merchantBizNo, last: EVENTS })
      }
      expect(effects.filter(({ orderStatus }) => orderStatus !== 'ORIGINAL')).toEqual([])
    }, 120_000)
  })
}

/** Like Map.groupBy, which Node 20 does not have. */
function groupByOrder(effects: readonly Effect[]): Map<string, Effect[]> {
  const groups = new Map<string, Effect[]>()
  for (const effect of effects) groups.set(effect.merchantBizNo, [...(groups.get(effect.merchantBizNo) ?? []), effect])
  return groups
}
