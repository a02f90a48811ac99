import { maskId } from './mask.ts'
import type { FailedItem, OutboxState } from './wire.ts'

/** What the console uses of an outbox: that of `./outbox` has it. */
export interface ConsoleOutbox {
  stats(): Promise<{
    readonly waiting: number
    readonly inFlight: number
    readonly failed: number
    /** Milliseconds that the oldest one waits. */
    readonly oldestAgeMs?: number | undefined
  }>
  failed(): Promise<readonly ConsoleOutboxItem[]>
  retry(id: string): Promise<unknown>
  discard(id: string): Promise<unknown>
}

/** An order in an outbox whose sending has failed. */
export interface ConsoleOutboxItem {
  readonly id: string
  /** Customer data: the console masks it. */
  readonly merchantBizNo?: string | undefined
  readonly attempts?: number | undefined
  /** Why it failed. */
  readonly code?: string | undefined
  /** What went wrong, in words that quote no customer data. */
  readonly message?: string | undefined
  /** Milliseconds since the epoch. */
  readonly failedAt?: number | undefined
}

/** The most failures that are sent to the page. */
const MAX_FAILURES = 200

export function outboxParts(outbox: ConsoleOutbox) {
  return {
    retry: (id: string) => outbox.retry(id),
    discard: (id: string) => outbox.discard(id),
    async read({ show }: { readonly show: boolean }): Promise<OutboxState> {
      const [stats, failed] = await Promise.all([outbox.stats(), outbox.failed()])
      const { waiting, inFlight, oldestAgeMs } = stats
      return {
        ...{ waiting, inFlight, failed: stats.failed },
        ...(oldestAgeMs !== undefined && { oldestAgeMs }),
        failures: failed.slice(0, MAX_FAILURES).map((item) => toFailedItem(item, show)),
      }
    },
  }
}

function toFailedItem(
  { id, merchantBizNo, attempts, code, message, failedAt }: ConsoleOutboxItem,
  show: boolean,
): FailedItem {
  return {
    id,
    ...(merchantBizNo !== undefined && { order: show ? merchantBizNo : maskId(merchantBizNo) }),
    ...(attempts !== undefined && { attempts }),
    ...(code !== undefined && { code }),
    ...(message !== undefined && { message }),
    ...(failedAt !== undefined && { failedAt }),
  }
}
