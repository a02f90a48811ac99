import type { Outbox, OutboxFailure } from '../outbox/outbox.ts'
import { maskId } from './mask.ts'
import type { FailedItem, OutboxState } from './wire.ts'

/** What the console uses of an outbox. */
export type ConsoleOutbox = Pick<Outbox, 'stats' | 'failed' | 'retry' | 'discard'>

/** The most failures that are sent to the page. */
const MAX_FAILURES = 200

export function outboxParts(outbox: ConsoleOutbox) {
  return {
    retry: (id: string) => outbox.retry(id),
    discard: (id: string) => outbox.discard(id),
    async read({ show }: { readonly show: boolean }): Promise<OutboxState> {
      const [stats, failed] = await Promise.all([outbox.stats(), outbox.failed({ limit: MAX_FAILURES })])
      const { waiting, inFlight, oldestWaitingMs } = stats
      return {
        ...{ waiting, inFlight, failed: stats.failed },
        ...(oldestWaitingMs !== undefined && { oldestWaitingMs }),
        failures: failed.map((failure) => toFailedItem(failure, show)),
      }
    },
  }
}

function toFailedItem({ id, requestId, code, attempts, failedAt, order }: OutboxFailure, show: boolean): FailedItem {
  return {
    ...{ id, requestId, code, attempts, failedAt: failedAt.getTime() },
    ...(order !== undefined && { order: show ? order.merchantBizNo : maskId(order.merchantBizNo) }),
  }
}
