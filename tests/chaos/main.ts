/**
 * Breaks everything around the handler while orders arrive, on every store and adapter:
 *
 *     npm run chaos -- --minutes 10 [--store redis] [--adapter koa] [--seed 1]
 *
 * Two processes share a store. They are killed and frozen; connections are cut, terminated and swallowed; strangers send
 * half of a body; `onOrder` is slow and fails; deliveries are repeated and arrive out of order. It fails when a process ends
 * by itself, an order is lost, an order is processed twice in transactional mode, or something does not drain.
 */
import process from 'node:process'
import { parseArgs } from 'node:util'
import { installDrivers } from '../../scripts/install-drivers.ts'
import { startServices } from '../support/services.ts'
import { hasNodeSqlite } from '../support/stores.ts'
import { ADAPTERS, pairsOf, STORES } from './plan.ts'
import { runRound } from './round.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    store: { type: 'string', multiple: true, default: [] },
    adapter: { type: 'string', multiple: true, default: [] },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const durationMs = Number(values.minutes) * 60_000
const seed = Number(values.seed)
if (!(durationMs > 0) || !Number.isInteger(seed)) throw new Error('--minutes and --seed must be numbers')

installDrivers()
const { mysqlUrl, postgresUrl, redisUrl, stop } = await startServices()
const isAvailable = {
  memory: true,
  'better-sqlite3': true,
  'node:sqlite': hasNodeSqlite,
  postgres: postgresUrl !== undefined,
  transactional: postgresUrl !== undefined,
  mysql: mysqlUrl !== undefined,
  'transactional-mysql': mysqlUrl !== undefined,
  redis: redisUrl !== undefined,
  ioredis: redisUrl !== undefined,
}
const isChosen = (name: string, chosen: readonly string[]) => chosen.length === 0 || chosen.includes(name)
const stores = STORES.filter((store) => isAvailable[store] && isChosen(store, values.store))
const adapters = ADAPTERS.filter((adapter) => isChosen(adapter, values.adapter))
const missing = STORES.filter((store) => !isAvailable[store])
if (missing.length > 0) console.log(`Not on this machine: ${missing.join(', ')}`)

const rounds = Math.max(stores.length, adapters.length)
// At least one round for each store and adapter, of at least some seconds.
const roundMs = Math.min(15_000, Math.max(3_000, durationMs / rounds - 4_000))
const until = performance.now() + durationMs
let violations = 0
let round = 0
for (const pair of pairsOf(stores, adapters)) {
  if (round >= rounds && performance.now() + roundMs > until) break
  const result = await runRound(
    pair,
    { mysqlUrl: mysqlUrl ?? '', postgresUrl: postgresUrl ?? '', redisUrl: redisUrl ?? '' },
    roundMs,
    seed + round,
  )
  const faults = Object.entries(result.faults).map(([name, count]) => `${count} × ${name}`)
  console.log(
    `${pair.store}, ${pair.adapter} (seed ${seed + round}): ${result.events} events in ${result.attempts} deliveries, ${result.repeated} repeated, recovered in ${result.recoveryMs} ms; ${faults.join(', ')}`,
  )
  for (const violation of result.violations.slice(0, 20)) console.error(`  VIOLATION: ${violation}`)
  violations += result.violations.length
  round++
}
stop()
console.log(`${round} rounds, ${violations} violations`)
process.exitCode = violations === 0 ? 0 : 1
