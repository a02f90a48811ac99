import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import BetterSqlite from 'better-sqlite3'
import { build } from 'esbuild'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type SqliteDriver, sqliteStore } from '../../src/stores/sqlite.ts'
import { root } from '../support/project.ts'
import { betterSqliteWorks, hasNodeSqlite } from '../support/stores.ts'
import { thrownBy } from '../support/thrown.ts'

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'order-sync-driver-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const delivery = {
  orderKey: 'order',
  requestKey: 'request',
  digest: 'digest',
  contentDigest: 'content',
  orderModifyTime: 1,
}
const claimOptions = { leaseMs: 1_000, compareModifyTimeWith: 'orderModifyTime' } as const

/** A class whose databases cannot be opened. */
const failingDriver = (error: unknown): SqliteDriver =>
  class {
    constructor() {
      throw error
    }
    exec() {}
    prepare(): never {
      throw error
    }
    close() {}
  }

describe('sqliteStore with the option driver', () => {
  const builtin = hasNodeSqlite
    ? (process.getBuiltinModule('node:sqlite' as never) as { DatabaseSync: SqliteDriver }).DatabaseSync
    : undefined
  const works = betterSqliteWorks()

  test.skipIf(!works)('opens the file with the class of better-sqlite3', async () => {
    const store = sqliteStore({ file: join(newFolder(), 'store.db'), driver: BetterSqlite })
    expect((await store.claim(delivery, claimOptions)).decision).toBe('process')
    await store.close()
  })

  test.skipIf(builtin === undefined)('opens the file with the class of node:sqlite', async () => {
    const store = sqliteStore({ file: join(newFolder(), 'store.db'), driver: builtin })
    expect((await store.claim(delivery, claimOptions)).decision).toBe('process')
    await store.close()
  })

  test.skipIf(!works)('works in a CommonJS bundle of esbuild that gets the class', async () => {
    const outfile = join(root, '.cache', 'bundles', 'sqlite.cjs')
    const source = `
      import Database from 'better-sqlite3'
      import { sqliteStore } from './src/stores/sqlite.ts'
      const store = sqliteStore({ file: process.argv[2], driver: Database })
      store.claim(${JSON.stringify(delivery)}, ${JSON.stringify(claimOptions)}).then(({ decision }) => console.log(decision))`
    await build({
      stdin: { contents: source, resolveDir: root, loader: 'ts' },
      ...{ bundle: true, platform: 'node', format: 'cjs', external: ['better-sqlite3'], logLevel: 'error', outfile },
      // The package in dist/ has its own replacement for import.meta.
      logOverride: { 'empty-import-meta': 'silent' },
    })
    const output = execFileSync(process.execPath, [outfile, join(newFolder(), 'store.db')], { encoding: 'utf8' })
    expect(output).toBe('process\n')
  })

  test.each([
    [
      'was built for another version of Node',
      Object.assign(new Error('NODE_MODULE_VERSION 115'), { code: 'ERR_DLOPEN_FAILED' }),
    ],
    ['is missing', new Error('Could not locate the bindings file. Tried: …')],
  ])('names the rebuild command when the native binary %s', (_, cause) => {
    const error = thrownBy(() => sqliteStore({ file: join(newFolder(), 'store.db'), driver: failingDriver(cause) }))
    expect(error.message).toContain('npm rebuild better-sqlite3')
    expect(error.cause).toBe(cause)
  })

  test('throws any other error of the driver unchanged', () => {
    const cause = new Error('unable to open database file')
    expect(thrownBy(() => sqliteStore({ file: '/nonexistent/store.db', driver: failingDriver(cause) }))).toBe(cause)
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['the file :memory:', { file: ':memory:' }, '"file" must be the path of a file'],
    ['an empty file', { file: '' }, '"file" must be the path of a file'],
    ['the URI file::memory:', { file: 'file::memory:?cache=shared' }, '"file" must be the path of a file'],
    ['the URI mode=memory', { file: 'file:shop?mode=memory' }, '"file" must be the path of a file'],
    [
      'a database as the driver',
      { file: 'store.db', driver: { exec() {}, prepare() {}, close() {} } },
      'must be the class of a driver',
    ],
    [
      'the driver bun:sqlite',
      { file: 'store.db', driver: 'bun:sqlite' },
      '"driver" must be node:sqlite or better-sqlite3',
    ],
  ])('refuses %s', (_, options, message) => {
    expect(thrownBy(() => Reflect.apply(sqliteStore, undefined, [options])).message).toContain(message)
  })

  test('throws for a path instead of the options', () => {
    expect(thrownBy(() => Reflect.apply(sqliteStore, undefined, ['store.db']))).toStrictEqual(
      new TypeError('sqliteStore() takes an object of options: sqliteStore({ file })'),
    )
  })
})

describe('sqliteStore without the option driver, where better-sqlite3', () => {
  /** Runs a bundle of the store in a folder with this module better-sqlite3, if any. Returns the message of its error. */
  async function openIn(folder: string, better?: string): Promise<string> {
    if (better !== undefined) {
      const installed = join(folder, 'node_modules', 'better-sqlite3')
      mkdirSync(installed, { recursive: true })
      writeFileSync(join(installed, 'index.js'), better)
    }
    const outfile = join(folder, 'store.mjs')
    const contents = `
      import { sqliteStore } from './src/stores/sqlite.ts'
      try { sqliteStore({ file: 'store.db', driver: 'better-sqlite3' }) } catch (error) { console.log(error.message) }`
    await build({
      stdin: { contents, resolveDir: root, loader: 'ts' },
      ...{ bundle: true, platform: 'node', format: 'esm', logLevel: 'error', outfile },
    })
    return execFileSync(process.execPath, [outfile], { cwd: folder, encoding: 'utf8' })
  }

  test('is not installed, names the command that installs it', async () => {
    expect(await openIn(newFolder())).toContain('npm install better-sqlite3')
  })

  test('is installed but fails, names the cause and not that command', async () => {
    const message = await openIn(newFolder(), `throw new Error('glibc is too old')`)
    expect(message).toBe('better-sqlite3 is installed, but it cannot be loaded: glibc is too old\n')
    expect(await openIn(newFolder(), `require('bindings')`)).toContain(`Cannot find module 'bindings'`)
  })
})
