import { vi } from 'vitest'
import type { OutboxEvent } from '../../src/outbox/event.ts'
import type { OutboxClient, OutboxOptions } from '../../src/outbox/options.ts'
import { createOutbox } from '../../src/outbox/outbox.ts'
import type { ClaimedOutboxEvent, OutboxClaim, OutboxStore } from '../../src/stores/outbox-store.ts'

/** An event that a claim returns. Its payload is an order with a few members: the fake client does not validate it. */
export function claimed(id: string, changes: Partial<ClaimedOutboxEvent> = {}): ClaimedOutboxEvent {
  return {
    ...{ id, orderKey: `key-${id}`, token: 7, eventTime: 1_716_342_180_000, requestId: `r-${id}` },
    ...{ payload: `{"order":{"merchantBizNo":"${id}"}}`, attempts: 0, ageMs: 5_000, retryLeftMs: 3_600_000 },
    ...changes,
  }
}

export const claimOf = (...events: readonly ClaimedOutboxEvent[]): OutboxClaim => ({ events, dropped: [] })

/** A store that returns the given claims, one after the other, and then nothing. Its calls are recorded. */
export function fakeStore(claims: readonly OutboxClaim[] = []) {
  const left = [...claims]
  return {
    enqueue: vi.fn<OutboxStore['enqueue']>(async () => {}),
    claim: vi.fn<OutboxStore['claim']>(async () => left.shift() ?? claimOf()),
    finish: vi.fn<OutboxStore['finish']>(async () => []),
    stats: vi.fn<OutboxStore['stats']>(async () => ({ waiting: 3, inFlight: 2, failed: 1 })),
    failed: vi.fn<OutboxStore['failed']>(async () => []),
    retry: vi.fn<OutboxStore['retry']>(async () => true),
    discard: vi.fn<OutboxStore['discard']>(async () => true),
    prune: vi.fn<OutboxStore['prune']>(async () => 0),
  }
}

/** A client that has sent every order. */
export function fakeClient(respond: (...args: Parameters<OutboxClient['syncOrder']>) => unknown = () => undefined) {
  const result = { resultCode: 'SUCCESS', resultStatus: 'S' } as const
  return {
    syncOrder: vi.fn<OutboxClient['syncOrder']>(async (order, options) => {
      await respond(order, options)
      const requestId = order.requestId ?? ''
      return { orderId: 'A', requestId, attempts: 1, tracerId: undefined, response: { result } }
    }),
  }
}

/** An outbox with a fake store and a fake client. */
export function fakeOutbox(options: Partial<OutboxOptions> & { claims?: readonly OutboxClaim[] } = {}) {
  const { claims, ...more } = options
  const store = fakeStore(claims)
  const client = fakeClient()
  const events: OutboxEvent[] = []
  const onEvent = (event: OutboxEvent) => void events.push(event)
  const outbox = createOutbox({ store, client, onEvent, random: () => 0.5, ...more })
  return { outbox, store, client, events }
}
