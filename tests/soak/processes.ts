import { type ChaosMerchant, createChaosMerchant } from '../chaos/merchant.ts'
import type { ProcessFigures } from './process-figures.ts'
import type { GatewayCommand } from './soak-gateway.ts'
import type { Report } from './soak-replica.ts'

/** A process of the test: a replica behind the load balancer, a worker of the outbox, or the gateway process. */
export interface SoakProcess extends Omit<ChaosMerchant, 'tell'> {
  readonly tell: (command: GatewayCommand) => void
  /** Whether the load balancer sends requests to it. */
  readonly isServing: () => boolean
  /** The load balancer sends no more requests to it, until it starts again. */
  readonly takeOut: () => void
  /** Resolves when the process has read its keys again. Rejects after a while. */
  readonly reload: () => Promise<void>
  /** Figures of the process; undefined while it does not respond. */
  readonly sample: () => Promise<ProcessFigures | undefined>
}

/** Creates a process that runs a script of this folder. It is not started yet. */
export function createSoakProcess(
  script: 'soak-replica' | 'soak-worker' | 'soak-gateway',
  args: readonly string[],
  onUnexpectedEnd: (description: string) => void,
): SoakProcess {
  const waiting = new Set<(report: Report) => void>()
  let isOut = false
  const running = createChaosMerchant(args, onUnexpectedEnd, {
    script: `tests/soak/${script}.ts`,
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
      running.tell({ kind })
    })
  }

  return {
    ...running,
    isServing: () => !isOut && running.port() !== undefined,
    takeOut() {
      isOut = true
    },
    async start() {
      await running.start()
      isOut = false
    },
    async reload() {
      if ((await ask('reload', 'reloaded', 20_000)) === undefined) throw new Error(`${script} did not reload its keys`)
    },
    async sample() {
      const report = await ask('sample', 'sample', 2_000)
      return report?.kind === 'sample' ? report : undefined
    },
  }
}
