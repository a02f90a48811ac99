/**
 * Three replicas and two workers of a merchant under a steady load for a long time, with faults that are switched on and off:
 *
 *     npm run soak -- --minutes 60 [--rate 5] [--seed 1] [--picture docs/images/soak.svg]
 *
 * A PostgreSQL of its own is restarted and crashes; its disk becomes slow; the network goes dark; clocks jump; replicas and workers of the outbox
 * are killed, frozen and deployed; the gateway of the outbox fails; both sides rotate their keys. Afterwards the books of both directions must
 * balance to the last order, and the memory, handles, connections and rows must not have grown. `--rate` is in orders per second: each of one to
 * three events that are delivered once or twice. Half as many orders are sent, each of one to four versions.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { checkEffects } from '../chaos/effects.ts'
import { createRandom } from '../chaos/random.ts'
import { keyFolder } from '../support/processes.ts'
import { startTcpProxy } from '../support/proxy/tcp.ts'
import { startPrivatePostgres } from '../support/services.ts'
import { prepareDatabase } from './database.ts'
import { soakFaults } from './faults.ts'
import { growths, type Sample, tooManyRows } from './flatness.ts'
import { createSoakGateway, DELIVERY_LIMIT_MS } from './gateway.ts'
import { createSoakKeys } from './keys.ts'
import { type FaultSpan, soakPicture } from './picture.ts'
import { createSoakProcess } from './processes.ts'
import { createSendingLoad, readLog } from './sending.ts'
import { checkSending, type GatewayEntry, monotonicSeconds, type WorkerEntry } from './sending-books.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    rate: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    picture: { type: 'string', default: '.cache/soak/soak.svg' },
  },
})
const seconds = Number(values.minutes) * 60
const rate = Number(values.rate)
const seed = Number(values.seed)
if (!(seconds >= 60) || !(rate > 0) || !Number.isInteger(seed))
  throw new Error('--minutes (1 or more), --rate and --seed must be numbers')

// Faults are on for two thirds of each cycle. The handler remembers messages for five minutes: its memory reaches its level after that.
const cycleSeconds = Math.min(150, seconds / 4)
const sampleSeconds = Math.min(5, seconds / 60)
const warmUpSeconds = Math.min(400, seconds * 0.3)
/** The time to deliver everything after the last fault: a frozen transaction may hold its order for a minute. */
const RECOVERY_LIMIT_MS = 75_000

const postgres = await startPrivatePostgres()
if (postgres === undefined) throw new Error('PostgreSQL is not installed: apt-get install postgresql')
const applicationName = `soak-${process.pid}`
const database = await prepareDatabase(postgres.url, applicationName)
const target = new URL(postgres.url)
const proxy = await startTcpProxy({ host: target.hostname, port: Number(target.port) })
const throughProxy = new URL(postgres.url)
throughProxy.port = String(proxy.port)
const folder = keyFolder()
const credentialsFile = join(folder.folder, 'credentials.json')
const gatewayFile = join(folder.folder, 'gateway.json')
const gatewayLog = join(folder.folder, 'gateway.log')
const workerLog = join(folder.folder, 'worker.log')
for (const file of [gatewayLog, workerLog]) writeFileSync(file, '')
const keys = createSoakKeys(credentialsFile, gatewayFile)
const random = createRandom(seed)
const violations: string[] = []
const newReplica = () =>
  createSoakProcess('soak-replica', [throughProxy.href, applicationName, credentialsFile], (end) =>
    violations.push(`A replica ${end}`),
  )
const replicas = [newReplica(), newReplica(), newReplica()] as const
const gatewayProcess = createSoakProcess('soak-gateway', [gatewayFile, gatewayLog, String(seed + 2)], (end) =>
  violations.push(`The gateway process ${end}`),
)
await gatewayProcess.start()
const newWorker = (encrypt: boolean) =>
  createSoakProcess(
    'soak-worker',
    [
      ...[throughProxy.href, applicationName, credentialsFile, `http://127.0.0.1:${gatewayProcess.port()}`],
      ...[workerLog, String(encrypt)],
    ],
    (end) => violations.push(`A worker ${end}`),
  )
const workers = [newWorker(false), newWorker(true)] as const
const sending = createSendingLoad(throughProxy.href, applicationName, {
  rate: rate / 2,
  random: createRandom(seed + 3),
})
// Port 1 refuses connections: what a gateway meets while no replica serves.
const ports = () => replicas.filter(({ isServing }) => isServing()).map(({ port }) => port() ?? 1)
const gateway = createSoakGateway(() => (ports().length > 0 ? ports() : [1]), keys, {
  rate,
  random: createRandom(seed + 1),
})

const faults = soakFaults({
  ...{ replicas: [...replicas], workers: [...workers], gateway: gatewayProcess, postgres, proxy, violations },
  slowDown: database.slowDown,
  brokenConnections: gateway.brokenConnections,
  rotateKeys: async () =>
    await keys.rotate(
      async () => void (await Promise.all([...replicas, ...workers, gatewayProcess].map(({ reload }) => reload()))),
      async () => await sleep(DELIVERY_LIMIT_MS + 500),
    ),
})

const startedAt = performance.now()
const startedAtMonotonic = monotonicSeconds()
const now = () => (performance.now() - startedAt) / 1_000
const samples: Sample[] = []
const spans: FaultSpan[] = []
let isCalm = true
let isOver = false

async function takeSamples(): Promise<void> {
  let before = { at: now(), accepted: 0 }
  while (!isOver) {
    await sleep(sampleSeconds * 1_000)
    const isCalmBefore = isCalm
    const [figures, ofWorker, ofDatabase] = await Promise.all([
      replicas[0].sample(),
      workers[0].sample(),
      database.figures(),
    ])
    const { accepted } = gateway.counts
    const at = now()
    samples.push({
      ...{
        at,
        accepted,
        enqueued: sending.counts.begun,
        pending: gateway.pending.size,
        isCalm: isCalm && isCalmBefore,
      },
      acceptedPerSecond: (accepted - before.accepted) / (at - before.at),
      heapMb: figures && figures.heap / 1e6,
      rssMb: figures && figures.rss / 1e6,
      handles: figures?.handles,
      fileDescriptors: figures?.fileDescriptors,
      workerHeapMb: ofWorker && ofWorker.heap / 1e6,
      workerHandles: ofWorker?.handles,
      workerFileDescriptors: ofWorker?.fileDescriptors,
      connections: ofDatabase?.connections,
      requestRows: ofDatabase?.requestRows,
      leases: ofDatabase?.leases,
      outboxRows: ofDatabase?.outboxRows,
      outboxWaiting: ofDatabase?.outboxWaiting,
    })
    before = { at, accepted }
  }
}

/** One fault after another, until the time is over. Each occurs once before one is repeated. */
let names: string[] = []
async function breakThings(untilSeconds: number): Promise<void> {
  while (now() < untilSeconds) {
    if (names.length === 0) names = random.shuffle(Object.keys(faults))
    const name = names.pop() ?? ''
    const from = now()
    await faults[name]?.(random)
    spans.push({ name, from, to: now() })
    await sleep(random.between(500, 3_000))
  }
}

async function run(): Promise<void> {
  await Promise.all([...replicas, ...workers].map(({ start }) => start()))
  const delivering = gateway.run()
  const changing = sending.run()
  const sampling = takeSamples()
  for (let cycle = 0; (cycle + 1) * cycleSeconds <= seconds; cycle++) {
    // Calm first, so that the picture shows what is normal.
    await sleep((cycleSeconds / 3) * 1_000)
    isCalm = false
    await breakThings((cycle + 1) * cycleSeconds)
    isCalm = true
    console.log(
      `${(now() / 60).toFixed(1)} min: ${gateway.counts.accepted} accepted, ${gateway.pending.size} waiting, ${spans.length} faults, ${violations.length + gateway.violations.length} violations`,
    )
  }
  gateway.stop()
  sending.stop()
  const healedAt = now()
  const isDelivered = await Promise.race([delivering.then(() => true), sleep(RECOVERY_LIMIT_MS, false, { ref: false })])
  if (!isDelivered) violations.push(`${gateway.pending.size} events were not delivered in ${RECOVERY_LIMIT_MS} ms`)
  const recoverySeconds = now() - healedAt
  await changing
  if (!(await isOutboxEmpty())) violations.push(`The outbox was not empty after ${RECOVERY_LIMIT_MS} ms`)
  const sentSeconds = now() - healedAt
  gateway.abandon()
  // A last look at an idle system.
  await sleep(sampleSeconds * 1_000 + 2_000)
  isOver = true
  await sampling
  const idle = await database.figures()
  for (const [index, one] of [...replicas, ...workers, gatewayProcess].entries()) {
    const wrong = await one.shutDown()
    if (wrong !== undefined) violations.push(`Process ${index + 1} ${wrong}`)
  }
  const committed = await database.committed()
  const books = {
    committed,
    gateway: readLog<GatewayEntry>(gatewayLog),
    workers: readLog<WorkerEntry>(workerLog),
    faults: spans.map(({ name, from, to }) => ({
      ...{ name, from: from + startedAtMonotonic, to: to + startedAtMonotonic },
    })),
  }
  const sent = checkSending(books)
  violations.push(...sent.violations)
  const effects = await database.effects()
  const orders = new Set(gateway.events.map(({ merchantBizNo }) => merchantBizNo))
  const processed = new Set(effects.map(([merchantBizNo]) => merchantBizNo))
  violations.push(...gateway.violations, ...checkEffects(gateway, effects, { isExactlyOnce: true }))
  if (processed.size !== orders.size)
    violations.push(`${orders.size} orders were sent, ${processed.size} had an effect`)
  if (idle?.orderRows !== orders.size) violations.push(`${orders.size} orders have ${idle?.orderRows} rows`)
  if (idle?.leases !== 0) violations.push(`${idle?.leases} leases are left`)

  const { accepted, deliveries, skipped } = gateway.counts
  console.log(
    `seed ${seed}, Node ${process.versions.node}, ${(now() / 60).toFixed(1)} minutes, ${rate} orders per second`,
  )
  console.log(
    `${orders.size} orders, ${gateway.events.length} events, ${deliveries} deliveries, ${accepted} accepted, ${effects.length} effects, ${skipped} orders not started`,
  )
  console.log(`after the last fault, everything was delivered within ${recoverySeconds.toFixed(1)} s`)
  console.log(
    `${sending.counts.begun} transactions, ${committed.length} versions committed, ${sent.arrivals} requests to the gateway, ${sent.repeats} again after S because a fault took the note; everything was sent within ${sentSeconds.toFixed(1)} s`,
  )
  for (const name of Object.keys(faults))
    console.log(`  ${spans.filter((span) => span.name === name).length} × ${name}`)
  for (const { figure, before, after, isFlat } of growths(samples, warmUpSeconds)) {
    console.log(`  ${figure}: ${before.toFixed(1)} → ${after.toFixed(1)}${isFlat ? '' : ' GROWS'}`)
    if (!isFlat) violations.push(`${figure} has grown from ${before.toFixed(1)} to ${after.toFixed(1)}`)
  }
  const rows = tooManyRows(samples)
  console.log(`  rows that expire: ${rows.length === 0 ? 'within their bounds' : 'TOO MANY'}`)
  violations.push(...rows)
  const subtitle = `${new Date().toISOString().slice(0, 10)}, ${Math.round(seconds / 60)} minutes, ${orders.size.toLocaleString('en')} orders received, ${committed.length.toLocaleString('en')} events sent, ${spans.length} faults`
  const verdict = violations.length === 0 ? 'none lost, none processed twice' : `${violations.length} violations`
  mkdirSync(dirname(values.picture), { recursive: true })
  writeFileSync(values.picture, soakPicture({ seconds: now(), samples, faults: spans, subtitle, verdict }))
  writeFileSync(values.picture.replace(/\.svg$/, '.json'), JSON.stringify({ samples, faults: spans, books }))
}

/** Waits until every event of the outbox is sent. */
async function isOutboxEmpty(): Promise<boolean> {
  const until = performance.now() + RECOVERY_LIMIT_MS
  while (performance.now() < until) {
    if ((await database.figures())?.outboxWaiting === 0) return true
    await sleep(500)
  }
  return false
}

try {
  await run()
} catch (error) {
  violations.push(`The test failed: ${error instanceof Error ? error.stack : error}`)
} finally {
  isOver = true
  gateway.abandon()
  sending.stop()
  for (const one of [...replicas, ...workers, gatewayProcess]) {
    one.resume()
    await one.kill()
  }
  await sending.close()
  await database.close()
  await proxy.close()
  await postgres.stop()
  folder.remove()
}
for (const violation of violations.slice(0, 20)) console.error(`  VIOLATION: ${violation}`)
console.log(`${violations.length} violations`)
process.exit(violations.length === 0 ? 0 : 1)
