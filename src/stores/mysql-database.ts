import { assertText } from '../option-rules.ts'

/** Where the tables and procedures are. */
export interface MysqlDatabaseOptions {
  /** The database of the tables and procedures. @defaultValue the database of the connection */
  database?: string | undefined
}

// The SQL quotes the name. A backtick would end the quotation; MySQL refuses a space at the end.
const DATABASE_NAME = /^[^\0`/\\.]{0,63}[^\0`/\\.\s]$/

export const DATABASE_RULE = {
  assert(value: unknown, name: string) {
    assertText(value, name)
    if (!DATABASE_NAME.test(String(value))) {
      throw new RangeError(
        `"${name}" must be the name of a database: 1 to 64 characters, without "\`", "/", "\\", "." or a space at the end`,
      )
    }
  },
}

/** The quoted database and a dot, or nothing for the database of the connection. */
export function prefixOf(database: string | undefined): string {
  return database === undefined ? '' : `\`${database}\`.`
}
