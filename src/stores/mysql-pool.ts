import { hasMethod } from '../option-rules.ts'

/** A query as the store sends it. The settings override those of the pool, for this query only. */
export interface MysqlQuery {
  sql: string
  rowsAsArray?: boolean
  nestTables?: boolean
  typeCast?: boolean
}

/** The part of a promise connection of `mysql2` that the store uses. */
export interface MysqlConnection {
  query(query: MysqlQuery): Promise<[unknown, unknown]>
  release(): void
  destroy(): void
  on(event: 'error', listener: (error: unknown) => void): unknown
  off(event: 'error', listener: (error: unknown) => void): unknown
}

/** The part of a promise pool of `mysql2` that the store uses. */
export interface MysqlPool {
  getConnection(): Promise<MysqlConnection>
}

/** The type that a pool's `getConnection()` resolves to: the full connection of `mysql2`. */
export type ConnectionOf<Pool extends MysqlPool> = Awaited<ReturnType<Pool['getConnection']>>

/** Common wrong values for a pool, and what to pass instead. The first match counts. */
const NOT_A_POOL: readonly { readonly is: (value: unknown) => boolean; readonly fix: string }[] = [
  { is: (value) => hasMethod(value, 'then'), fix: 'is a Promise: await it first' },
  {
    is: (value) => typeof value === 'string' || value instanceof URL,
    fix: 'must be a pool, not a URL: createPool(url) of "mysql2/promise"',
  },
  {
    is: (value) => hasMember(value, '$client') && hasMethod(value, 'execute'),
    fix: 'is a Drizzle database. Pass the promise pool that it was created with: db.$client, or db.$client.promise()',
  },
  {
    is: (value) => hasMethod(value, 'createQueryRunner'),
    fix: 'is a TypeORM data source. Pass a pool: createPool() of "mysql2/promise"',
  },
  {
    is: (value) => hasMethod(value, 'getConnection') && hasMethod(value, 'promise'),
    fix: 'is a pool with callbacks. Pass its promise pool: pool.promise()',
  },
  {
    is: (value) => hasMethod(value, 'getConnection') && hasMethod(value, 'of'),
    fix: 'is a pool cluster. Pass the pool of the primary server: createPool() of "mysql2/promise"',
  },
  {
    is: (value) => hasMethod(value, 'getConnection') && hasMethod(value, 'activeConnections'),
    fix: 'is a pool of the package "mariadb". Pass a pool of the package "mysql2": createPool() of "mysql2/promise"',
  },
  {
    is: (value) => hasMethod(value, 'beginTransaction') && !hasMethod(value, 'getConnection'),
    fix: 'is one connection, which cannot reconnect. Pass a pool: createPool() of "mysql2/promise"',
  },
  {
    is: (value) => !hasMethod(value, 'getConnection'),
    fix: 'must be a pool of the package "mysql2": createPool() of "mysql2/promise"',
  },
]

/** Throws unless the value is a promise pool. If the value is recognized, the message names it. */
export function assertPool(value: unknown, name: string): void {
  const mistake = NOT_A_POOL.find(({ is }) => is(value))
  if (mistake !== undefined) throw new TypeError(`"${name}" ${mistake.fix}`)
}

/** Throws if the pool was passed instead of the options, or is missing in them. */
export function assertPoolOption(owner: string, options: unknown): void {
  if (['getConnection', 'query', 'execute'].some((method) => hasMethod(options, method))) {
    throw new TypeError(`${owner}() takes an object of options: ${owner}({ pool })`)
  }
  if (typeof options === 'object' && options !== null && Reflect.get(options, 'pool') === undefined) {
    throw new TypeError(`"pool" is missing: ${owner}({ pool: createPool() of "mysql2/promise" })`)
  }
}

function hasMember(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && Reflect.get(value, name) !== undefined
}
