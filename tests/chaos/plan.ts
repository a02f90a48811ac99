/** The stores under test. */
export const STORES = [
  'memory',
  'better-sqlite3',
  'node:sqlite',
  'postgres',
  'transactional',
  'mysql',
  'transactional-mysql',
  'redis',
  'ioredis',
] as const
export type ChaosStore = (typeof STORES)[number]

/** The adapters under test. */
export const ADAPTERS = ['node', 'express', 'koa', 'fastify', 'fetch', 'next-pages', 'lambda'] as const
export type ChaosAdapter = (typeof ADAPTERS)[number]

/** One round: a store and an adapter. */
export interface Pair {
  readonly store: ChaosStore
  readonly adapter: ChaosAdapter
}

/**
 * All pairs of a store and an adapter, without end. The first rounds use every store and every adapter once; the rounds
 * after them pair each store with the next adapter.
 */
export function* pairsOf(stores: readonly ChaosStore[], adapters: readonly ChaosAdapter[]): Generator<Pair, never> {
  for (let turn = 0; ; turn++) {
    const rounds = Math.max(stores.length, adapters.length)
    for (let round = 0; round < rounds; round++) {
      const store = stores[round % stores.length]
      const adapter = adapters[(round + turn) % adapters.length]
      if (store === undefined || adapter === undefined) throw new Error('There is no store or no adapter to test')
      yield { store, adapter }
    }
  }
}
