import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cli, folderIn, serveFrom } from '../support/cli.ts'
import { order } from '../support/messages.ts'
import { root } from '../support/project.ts'
import { folder, gateway, merchant } from './identity.ts'

/** Installs the package alone, without better-sqlite3, and returns the folder and the command. */
function install() {
  const project = folderIn(folder)
  const installed = join(project, 'node_modules', 'alipayhk-order-sync')
  mkdirSync(installed, { recursive: true })
  for (const name of ['package.json', 'dist']) cpSync(join(root, name), join(installed, name), { recursive: true })
  return { project, command: join(installed, 'dist/cli.js') }
}

describe.skipIf(process.getBuiltinModule?.('node:sqlite' as never))('without node:sqlite and better-sqlite3', () => {
  test('serve keeps orders in memory, and warns', async () => {
    const { project, command } = install()
    const { url, child, exitCode, nextEvent, stderr } = await serveFrom(command, merchant(), project)
    const send = () => cli(['send', '--url', url, ...gateway(), '-'], JSON.stringify(order()))
    const first = await send()
    expect(first.code).toBe(0)
    expect(await nextEvent()).toMatchObject({ event: 'order' })
    expect((await send()).stdout).toBe(first.stdout)
    expect(await nextEvent()).toMatchObject({ event: 'replay' })
    child.kill('SIGTERM')
    expect(await exitCode).toBe(0)
    expect(await stderr).toMatch(/^Warning: orders are kept in memory only, .*npm install better-sqlite3.*\n$/)
    expect(existsSync(join(project, 'order-sync.db'))).toBe(false)
  })

  test('serve --store sqlite:FILE fails', async () => {
    const { project, command } = install()
    const args = [...merchant(), '--store', 'sqlite:orders.db']
    await expect(serveFrom(command, args, project)).rejects.toThrow(
      'serve has exited: --store: SQLite needs Node 22.13 or later, or the package better-sqlite3',
    )
  })
})

test('serve without --store creates an SQLite file where SQLite is available, and does not warn', async () => {
  const cwd = folderIn(folder)
  const { child, exitCode, stderr } = await serveFrom(join(root, 'dist/cli.js'), merchant(), cwd)
  child.kill('SIGTERM')
  expect(await exitCode).toBe(0)
  expect(await stderr).toBe('')
  expect(existsSync(join(cwd, 'order-sync.db'))).toBe(true)
})

test('serve without --store fails when the SQLite file cannot be opened', async () => {
  const cwd = folderIn(folder)
  mkdirSync(join(cwd, 'order-sync.db'))
  await expect(serveFrom(join(root, 'dist/cli.js'), merchant(), cwd)).rejects.toThrow(/serve has exited: --store: /)
})
