import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { read, root } from '../../support/project.ts'

/** Where scripts/install-orms.ts installs the ORMs. */
export const folder = join(root, '.cache/orms')
export const isInstalled = existsSync(join(folder, 'generated/index.js'))

/** A module of an ORM. */
export const inOrm = async (module: string) => await import(/* @vite-ignore */ join(folder, 'node_modules', module))

/** A block of docs/orm.md. */
export interface Recipe {
  readonly onOrder: (order: object, context: { transaction: unknown }) => Promise<{ orderId: string }>
  readonly executorOf: (transaction: unknown) => unknown
  /** TypeORM. */
  readonly dataSource?: { initialize: () => Promise<unknown>; destroy: () => Promise<unknown> }
}

/** Writes a block of the guide beside the ORMs, and loads it. Two test files do so at the same time. */
export async function loadRecipe(name: string): Promise<Recipe> {
  const [, block] = new RegExp(`\`\`\`js\\n(// ${name}\\.js\\n[\\s\\S]*?)\`\`\``).exec(read('docs/orm.md')) ?? []
  if (block === undefined) expect.fail(`docs/orm.md has no block ${name}.js`)
  const file = join(folder, `${name}.js`)
  if (!existsSync(file) || readFileSync(file, 'utf8') !== block) {
    const written = `${file}.${process.pid}`
    writeFileSync(written, block)
    renameSync(written, file)
  }
  return await import(/* @vite-ignore */ file)
}
