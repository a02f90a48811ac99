import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../chaos/faults.ts'
import type { Random } from '../chaos/random.ts'
import type { TcpProxy } from '../support/proxy/tcp.ts'
import type { PrivatePostgres } from '../support/services.ts'
import type { SoakProcess } from './processes.ts'
import type { GatewayMode } from './soak-gateway.ts'

/** What the faults break. */
export interface SoakTargets {
  /** The first one is never killed nor deployed: its memory is measured from the start to the end. */
  readonly replicas: readonly [SoakProcess, ...SoakProcess[]]
  /** Of the outbox. The first one is never killed nor deployed either. */
  readonly workers: readonly [SoakProcess, ...SoakProcess[]]
  /** The gateway to which the outbox sends. */
  readonly gateway: SoakProcess
  readonly postgres: PrivatePostgres
  readonly proxy: TcpProxy
  /** Sets how long each flush of the write-ahead log waits, in microseconds. */
  readonly slowDown: (microseconds: number) => Promise<void>
  readonly rotateKeys: () => Promise<void>
  readonly brokenConnections: (port: number) => number
  readonly violations: string[]
}

/** A process may be chosen that other faults have ended: there is always one. */
const others = ([, ...rest]: SoakTargets['replicas']) => rest

/** The ways in which every request to the gateway fails for a while. */
const GATEWAY_FAILURES: readonly GatewayMode[] = ['5xx', 'silence', 'unsigned', 'slow']

/** The faults by name. Each repairs what it broke before it resolves. */
export function soakFaults(targets: SoakTargets): Readonly<Record<string, Fault>> {
  const { replicas, workers, gateway, postgres, proxy } = targets
  return {
    'database restart': async () => await postgres.restart('SIGINT'),
    'database crash': async () => await postgres.restart('SIGQUIT'),
    async 'dark network'(random) {
      proxy.goDark()
      await sleep(random.between(1_000, 6_000))
      proxy.light()
      // What is left of the old connections is reset when their packets arrive again.
      proxy.cutAll()
    },
    async 'slow disk'(random) {
      await targets.slowDown(random.between(30_000, 100_000))
      await sleep(random.between(3_000, 8_000))
      await targets.slowDown(0)
    },
    'clock jump': async (random) => await jump(replicas, random),
    SIGKILL: async (random) => await killOne(others(replicas), random),
    SIGSTOP: async (random) => await freezeOne(replicas, random, 5_000),
    'worker SIGKILL': async (random) => await killOne(others(workers), random),
    // Longer than the lease: another worker takes over.
    'worker SIGSTOP': async (random) => await freezeOne(workers, random, 9_000),
    async 'worker deploy'() {
      for (const worker of others(workers)) {
        const wrong = await worker.shutDown()
        if (wrong !== undefined) targets.violations.push(`The deploy of a worker ${wrong}`)
        await worker.start()
      }
    },
    async 'gateway failure'(random) {
      gateway.tell({ kind: 'mode', mode: random.pick(GATEWAY_FAILURES) })
      await sleep(random.between(2_000, 6_000))
      gateway.tell({ kind: 'mode', mode: 'normal' })
    },
    'key rotation': async () => await targets.rotateKeys(),
    async 'deploy with drain'() {
      for (const replica of others(replicas)) await deploy(replica, targets)
    },
  }
}

async function killOne(processes: readonly SoakProcess[], random: Random): Promise<void> {
  const one = random.pick(processes)
  await one.kill()
  await sleep(random.between(0, 1_000))
  await one.start()
}

async function freezeOne(processes: readonly SoakProcess[], random: Random, mostMs: number): Promise<void> {
  const one = random.pick(processes)
  one.freeze()
  await sleep(random.between(500, mostMs))
  one.resume()
}

/** Within the tolerance of five minutes, or beyond it: then the replica rejects every request, until its clock is right again. */
async function jump(replicas: readonly SoakProcess[], random: Random): Promise<void> {
  const replica = random.pick(replicas)
  const minutes = random.pick([-600, -10, -2, 2, 10, 600])
  replica.tell({ kind: 'clock', offsetMs: minutes * 60_000 })
  await sleep(random.between(2_000, 5_000))
  replica.tell({ kind: 'clock', offsetMs: 0 })
}

/** As a load balancer does: no new requests first, then SIGTERM. A request that was accepted gets its response. */
async function deploy(replica: SoakProcess, { brokenConnections, violations }: SoakTargets): Promise<void> {
  const port = replica.port()
  if (port === undefined) return void violations.push('A replica was not running before its deploy')
  const broken = brokenConnections(port)
  replica.takeOut()
  // Connections that are being opened.
  await sleep(500)
  const wrong = await replica.shutDown()
  if (wrong !== undefined) violations.push(`A deploy ${wrong}`)
  const lost = brokenConnections(port) - broken
  if (lost > 0) violations.push(`A deploy broke ${lost} connections`)
  await replica.start()
}
