import { hasMethod } from '../option-rules.ts'
import { waitFor } from '../timeout.ts'
import { listenForErrors } from './connection.ts'
import { createSavepoints, guardQuery } from './savepoints.ts'

/** The part of a `pg` client that the store uses. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[]; command?: string }>
  release(destroy?: boolean | Error): void
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
}

/** The part of a `pg` pool that the store uses. */
export interface PostgresPool {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
  connect(): Promise<PostgresClient>
}

/** The type that a pool's `connect()` resolves to: the full client of `pg`. */
export type ClientOf<Pool extends PostgresPool> = Pool['connect'] extends {
  (): Promise<infer Client>
  // pg also declares a form with a callback. Without this line, inference would use only that one.
  (...callback: never[]): unknown
}
  ? Client
  : PostgresClient

/** Common wrong values for a pool, and what to pass instead. The first match counts. */
const NOT_A_POOL: readonly { readonly is: (value: unknown) => boolean; readonly fix: string }[] = [
  { is: (value) => hasMethod(value, 'then'), fix: 'is a Promise: await it first' },
  {
    is: (value) => typeof value === 'string' || value instanceof URL,
    fix: 'must be a pool, not a URL: new Pool({ connectionString })',
  },
  {
    is: (value) => typeof value === 'function' && typeof Reflect.get(value, 'unsafe') === 'function',
    fix: 'is a client of the package "postgres". Pass a pool of the package "pg": new Pool()',
  },
  {
    is: (value) => hasMember(value, '$client') && hasMethod(value, 'execute'),
    fix: 'is a Drizzle database. Pass the pool of the package "pg" that it was created with: db.$client',
  },
  {
    is: (value) => hasMember(value, '$pool'),
    fix: 'is a database of pg-promise. Pass its pool: db.$pool',
  },
  {
    is: (value) => hasMethod(value, 'createQueryRunner'),
    fix: 'is a TypeORM data source. Pass a pool of the package "pg": new Pool()',
  },
  {
    is: (value) => hasMethod(value, 'escapeLiteral') || hasMember(value, 'connectionParameters'),
    fix: 'is one client of the package "pg", which cannot reconnect. Pass a pool: new Pool()',
  },
  {
    is: (value) => !hasMethod(value, 'query') || !hasMethod(value, 'connect'),
    fix: 'must be a pool of the package "pg": new Pool()',
  },
]

/** Throws unless the value is a pool. If the value is recognized, the message names it. */
export function assertPool(value: unknown, name: string): void {
  const mistake = NOT_A_POOL.find(({ is }) => is(value))
  if (mistake !== undefined) throw new TypeError(`"${name}" ${mistake.fix}`)
}

/** Throws if the pool was passed instead of the options, or is missing in them. */
export function assertPoolOption(owner: string, options: unknown): void {
  if (hasMethod(options, 'query') || hasMethod(options, 'connect') || hasMethod(options, 'execute')) {
    throw new TypeError(`${owner}() takes an object of options: ${owner}({ pool })`)
  }
  if (typeof options === 'object' && options !== null && Reflect.get(options, 'pool') === undefined) {
    throw new TypeError(`"pool" is missing: ${owner}({ pool: new Pool() })`)
  }
}

function hasMember(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && Reflect.get(value, name) !== undefined
}

/** Listens for 'error' on a pool that has no listener. See {@link listenForErrors}. */
export function listenToPool(owner: string, pool: PostgresPool, onError?: (error: unknown) => void): void {
  listenForErrors(pool, {
    owner,
    meaning: 'an idle connection to PostgreSQL broke, and the pool will open a new one',
    fix: 'Listen for errors: pool.on("error", …)',
    onError,
  })
}

/** The start of a transaction, and its work. */
export interface TransactionSteps<Value> {
  readonly begin: string
  /** Resolves to the value, and whether to commit. `isOver()`: the client is the pool's again. */
  readonly work: (client: PostgresClient, isOver: () => boolean) => Promise<{ commit: boolean; value: Value }>
}

/** A ROLLBACK takes less than a millisecond. */
const ROLLBACK_TIMEOUT_MS = 200

/** Runs work in a transaction on a client of the pool. Rolls back when the work rejects. */
export async function inTransaction<Value>(
  pool: PostgresPool,
  { begin, work }: TransactionSteps<Value>,
): Promise<Value> {
  const { client, isOver, giveBack } = await borrow(pool)
  let result: Value
  try {
    await client.query(begin)
    const { commit, value } = await work(client, isOver)
    const { command } = await client.query(commit ? 'COMMIT' : 'ROLLBACK')
    // PostgreSQL reports ROLLBACK, without an error, when a query that was not awaited has failed before.
    if (commit && command === 'ROLLBACK') throw new Error('The transaction was rolled back: a query in it had failed')
    result = value
  } catch (error) {
    // On a silent connection, a ROLLBACK would wait for another `query_timeout`. The end of the connection rolls back too.
    await waitFor(() => client.query('ROLLBACK'), { timeoutMs: ROLLBACK_TIMEOUT_MS }).then(
      () => giveBack(),
      () => giveBack(true),
    )
    throw error
  }
  // Not in the `try`: it calls callbacks of the merchant. If one throws, the client may already belong to someone else.
  giveBack()
  return result
}

/**
 * Lends a client to `onOrder`, as an object that cannot end the transaction of the store. The client itself is not changed: it may be
 * the wrapper of another one.
 */
export async function lendClient<Client extends PostgresClient, Value>(
  client: Client,
  isOver: () => boolean,
  work: (client: Client) => Promise<Value>,
): Promise<Value> {
  const savepoints = createSavepoints('postgres')
  const send = (...args: unknown[]): unknown => Reflect.apply(client.query, client, args)
  const query = guardQuery({ send, savepoints, isOver })
  const lent = new Proxy(client, {
    get: (target, name, receiver) => (name === 'query' ? query : Reflect.get(target, name, receiver)),
  })
  const value = await work(lent)
  savepoints.assertEnded()
  return value
}

/** A client, until it is given back. */
export interface Borrowed {
  readonly client: PostgresClient
  readonly isOver: () => boolean
  readonly giveBack: (destroy?: boolean) => void
}

/**
 * Takes a client from the pool. It uses the callback of `connect`, which runs at once. A promise resolves later: a connection
 * that breaks in between would emit 'error' without a listener, and that ends the process.
 */
export function borrow(pool: PostgresPool): Promise<Borrowed> {
  return new Promise((resolve, reject) => {
    let settled = false
    const receive = (error: unknown, client?: PostgresClient) => {
      if (settled) return
      settled = true
      if (!client) return reject(error)
      try {
        resolve(own(client))
      } catch (notAClient) {
        reject(notAClient)
      }
    }
    const promise: unknown = Reflect.apply(pool.connect, pool, [receive])
    // A wrapper of a pool may know promises only, of any class. If it passes the callback on, its promise has no client.
    if (!hasMethod(promise, 'then')) return
    const connected = Promise.resolve(promise as unknown as PromiseLike<PostgresClient | undefined>)
    connected.then((client) => client && receive(undefined, client), receive)
  })
}

/** Prevents the pool from lending the client to others until it is released. */
function own(client: PostgresClient): Borrowed {
  const { release } = client
  // If `onOrder` released it, the pool would lend it to another order while our transaction is open.
  client.release = () => {
    throw new Error('Do not release context.transaction: the store does')
  }
  // A connection that breaks between queries emits 'error'. The next query fails, which reports it.
  client.on('error', ignore)
  let over = false
  return {
    client,
    isOver: () => over,
    giveBack(destroy = false) {
      over = true
      client.release = release
      // Call it first: the pool attaches its own listener in it.
      client.release(destroy)
      client.off('error', ignore)
    },
  }
}

function ignore(): void {}
