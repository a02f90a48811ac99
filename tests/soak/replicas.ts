import { type ChaosMerchant, createChaosMerchant } from '../chaos/merchant.ts'
import type { Command, ProcessFigures, Report } from './soak-replica.ts'

/** A replica behind the load balancer. */
export interface Replica extends Omit<ChaosMerchant, 'tell'> {
  readonly tell: (command: Command) => void
  /** Whether the load balancer sends requests to it. */
  readonly isServing: () => boolean
  /** The load balancer sends no more requests to it, until it starts again. */
  readonly takeOut: () => void
  /** Resolves when the process has read the credentials again. Rejects after a while. */
  readonly reload: () => Promise<void>
  /** Figures of the process; undefined while it does not respond. */
  readonly sample: () => Promise<ProcessFigures | undefined>
}

/** Creates a replica. Its process is not started yet. */
export function createReplica(args: readonly string[], onUnexpectedEnd: (description: string) => void): Replica {
  const waiting = new Set<(report: Report) => void>()
  let isOut = false
  const merchant = createChaosMerchant(args, onUnexpectedEnd, {
    script: 'tests/soak/soak-replica.ts',
    execArgv: ['--expose-gc'],
    onMessage(report) {
      for (const receive of waiting) receive(report as Report)
    },
  })

  /** Sends a command and waits for its report. */
  function ask(kind: 'reload' | 'sample', reported: Report['kind'], limitMs: number): Promise<Report | undefined> {
    return new Promise((resolve) => {
      const end = (report?: Report) => {
        clearTimeout(timer)
        waiting.delete(receive)
        resolve(report)
      }
      const receive = (report: Report) => void (report.kind === reported && end(report))
      const timer = setTimeout(end, limitMs)
      waiting.add(receive)
      merchant.tell({ kind })
    })
  }

  return {
    ...merchant,
    isServing: () => !isOut && merchant.port() !== undefined,
    takeOut() {
      isOut = true
    },
    async start() {
      await merchant.start()
      isOut = false
    },
    async reload() {
      if ((await ask('reload', 'reloaded', 20_000)) === undefined) throw new Error('A replica did not reload its keys')
    },
    async sample() {
      const report = await ask('sample', 'sample', 2_000)
      return report?.kind === 'sample' ? report : undefined
    },
  }
}
