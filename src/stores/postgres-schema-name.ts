import { assertText } from '../option-rules.ts'
import type { PostgresPool } from './postgres-pool.ts'

export const SCHEMA_NAME = /^[^\0"'$\\]{1,63}$/

export const SCHEMA_RULE = {
  assert(value: unknown, name: string) {
    assertText(value, name)
    // The SQL quotes the name. These characters would end a quotation.
    if (!SCHEMA_NAME.test(String(value))) {
      throw new RangeError(
        `"${name}" must be the name of a schema: 1 to 63 characters, without quotes, "$" or backslashes`,
      )
    }
  },
}

/** Creates a schema when it is missing. */
export async function createSchema(client: Pick<PostgresPool, 'query'>, schema: string): Promise<void> {
  const { rows } = await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema])
  if (rows.length === 0) await client.query(`CREATE SCHEMA "${schema}"`)
}

/** The quoted schema and a dot, or nothing for the first schema of the `search_path`. */
export function prefixOf(schema: string | undefined): string {
  return schema === undefined ? '' : `"${schema}".`
}
