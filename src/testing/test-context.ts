import type { OrderContext } from '../server/options.ts'

/**
 * A context for a unit test that calls your `onOrder` directly.
 *
 * @param changes The members that your test is about, such as `transaction` or `signal`.
 * @see docs/protocol.md section 7.3
 * @example
 * ```ts
 * import type { OrderContext } from 'alipayhk-order-sync'
 * import { createTestContext, createTestOrder, createTransactionDouble } from 'alipayhk-order-sync/testing'
 *
 * export async function testOnOrder(onOrder: (order: object, context: OrderContext) => Promise<unknown>) {
 *   const transaction = createTransactionDouble()
 *   await onOrder(createTestOrder(), createTestContext({ transaction }))
 *   console.log(transaction.queries)
 * }
 * ```
 */
export function createTestContext<Transaction = undefined>(
  changes: Partial<OrderContext<Transaction>> = {},
): OrderContext<Transaction> {
  return {
    clientId: 'TEST-CLIENT',
    requestId: 'TEST-REQUEST',
    tracerId: 'TEST-TRACER',
    orderKey: 'TEST-ORDER-KEY',
    keyVersion: '1',
    agentToken: undefined,
    encrypted: false,
    fencingToken: 1,
    signal: new AbortController().signal,
    // Without a transaction, the type parameter is `undefined`.
    transaction: undefined as Transaction,
    ...changes,
  }
}

/** Replaces the client of a transactional store. It records queries, and sends none. */
export interface TransactionDouble {
  readonly query: (text: string, values?: readonly unknown[]) => Promise<{ rows: readonly object[] }>
  /** The queries so far. */
  readonly queries: readonly { readonly text: string; readonly values: readonly unknown[] }[]
}

/**
 * Creates a {@link TransactionDouble}, with the interface of a `pg` client.
 *
 * @param rowsOf The rows that a query returns. @defaultValue none
 * @see docs/protocol.md section 7.4
 * @example
 * ```ts
 * import { createTransactionDouble } from 'alipayhk-order-sync/testing'
 *
 * const transaction = createTransactionDouble((text) => (text.startsWith('SELECT') ? [{ id: 1 }] : []))
 * ```
 */
export function createTransactionDouble(rowsOf: (text: string) => readonly object[] = () => []): TransactionDouble {
  const queries: { text: string; values: readonly unknown[] }[] = []
  return {
    queries,
    async query(text, values = []) {
      queries.push({ text, values })
      return { rows: rowsOf(text) }
    },
  }
}
