import { cpSync, existsSync, writeFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../support/cli.ts'
import { codeBlocks } from '../support/compile.ts'
import { freePort } from '../support/free-port.ts'
import { send } from '../support/http.ts'
import { merchantRsa } from '../support/keys.ts'
import { order, request } from '../support/messages.ts'
import { read, root } from '../support/project.ts'
import { betterSqliteWorks } from '../support/stores.ts'
import { execute, install, pack, start } from './application.ts'

const folder = temporaryFolder()

test.skipIf(!betterSqliteWorks())(
  'a standalone build of example 06-next contains better-sqlite3, processes an order with sqliteStore, and knows it after a restart',
  { timeout: 300_000 },
  async ({ onTestFinished }) => {
    const app = join(folder, 'app')
    await install('06-next', await pack(folder), app)
    // Already compiled. It needs the other two.
    for (const name of ['better-sqlite3', 'bindings', 'file-uri-to-path']) {
      cpSync(join(root, 'tests/drivers/node_modules', name), join(app, 'node_modules', name), { recursive: true })
    }
    writeFileSync(join(app, 'next.config.ts'), nextConfig())
    writeFileSync(join(app, 'lib/order-sync.ts'), withSqlite(read('examples/06-next/lib/order-sync.ts')))
    await execute('npx next build', app)
    // Away from node_modules of the application.
    const standalone = join(folder, 'standalone')
    await rename(join(app, '.next/standalone'), standalone)
    await rename(app, join(folder, 'moved'))
    expect(existsSync(join(standalone, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node'))).toBe(true)

    const time = new Date().toISOString()
    const forged = request({ time, message: order({ requestId: 'forged' }), key: merchantRsa().privateKey })
    const kinds: unknown[] = []
    for (const _ of ['first', 'second']) {
      // The standalone server takes PORT=0 for 3000.
      const port = await freePort()
      const environment = { PORT: String(port), HOSTNAME: '127.0.0.1', DATABASE: join(folder, 'store.db') }
      const { child, ended } = await start('node server.js', standalone, environment)
      onTestFinished(() => void child.kill('SIGKILL'))
      expect((await send(port, request({ time }))).status).toBe(200)
      expect((await send(port, forged)).status).toBe(401)
      child.kill('SIGTERM')
      kinds.push(...(await ended).events.map(({ kind }) => kind))
    }
    expect(kinds).toEqual(['processed', 'rejected', 'replay', 'rejected'])
  },
)

/** The configuration in docs/stores.md. */
function nextConfig(): string {
  const block = codeBlocks('docs/stores.md').find(({ code }) => code.startsWith('// next.config.ts'))
  if (block === undefined) throw new Error('docs/stores.md has no next.config.ts')
  return block.code
}

/** The handler of the example with the store in docs/stores.md. */
function withSqlite(source: string): string {
  const replaced = source
    .replace(
      "import { createOrderSyncHandler, memoryStore, type OrderSyncHandler } from 'alipayhk-order-sync'",
      `
import { createOrderSyncHandler, type OrderSyncHandler } from 'alipayhk-order-sync'
import { sqliteStore } from 'alipayhk-order-sync/stores/sqlite'
// @ts-ignore: the example does not install the types.
import Database from 'better-sqlite3'`,
    )
    .replace('memoryStore()', "sqliteStore({ file: process.env['DATABASE'] ?? '', driver: Database })")
  expect(replaced).not.toContain('memoryStore')
  return replaced
}
