import { readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import project from '../package.json' with { type: 'json' }

/** Of the last release. */
const SAVED = 'benchmarks/sizes.json'

/** What is written to import a part, as an application does. */
const PARTS: Readonly<Record<string, string>> = {
  'the whole root': "export * from 'alipayhk-order-sync'",
  createOrderSyncHandler: "export { createOrderSyncHandler } from 'alipayhk-order-sync'",
  createOrderSyncClient: "export { createOrderSyncClient } from 'alipayhk-order-sync'",
  'sign, verify': "export { sign, verify } from 'alipayhk-order-sync'",
  headers:
    "export { formatEncryptHeader, formatSignatureHeader, parseEncryptHeader, parseSignatureHeader } from 'alipayhk-order-sync'",
  'seal, open': "export { open, seal } from 'alipayhk-order-sync'",
  decide: "export { decide } from 'alipayhk-order-sync'",
  ...Object.fromEntries(
    Object.keys(project.exports)
      .filter((path) => /^\.\/[^.*]+$/.test(path))
      .map((path) => [path, `export * from 'alipayhk-order-sync${path.slice(1)}'`]),
  ),
}

interface Size {
  readonly minified: number
  readonly gzipped: number
}

type Sizes = Readonly<Record<string, Size>>

/** A part, bundled with what it depends on and minified, in bytes. */
export interface SizeRow extends Size {
  readonly part: string
  /** Since the last release; undefined for a part that it had not. */
  readonly change: number | undefined
}

/** What the parts weigh, and how much more than at the last release. */
export async function size(): Promise<{ readonly since: string; readonly rows: readonly SizeRow[] }> {
  const { version: since, sizes: before } = JSON.parse(readFileSync(SAVED, 'utf8')) as Saved
  const rows = Object.entries(await measureSizes()).map(([part, size]) => {
    const old = before[part]
    return { part, ...size, change: old && size.minified - old.minified }
  })
  return { since, rows }
}

interface Saved {
  readonly version: string
  readonly sizes: Sizes
}

/** Keeps the sizes as those of this release. */
export async function saveSizes(): Promise<void> {
  const saved: Saved = { version: project.version, sizes: await measureSizes() }
  writeFileSync(SAVED, `${JSON.stringify(saved, undefined, 2)}\n`)
}

async function measureSizes(): Promise<Sizes> {
  const entries = Object.entries(PARTS).map(async ([part, code]) => [part, await measureSize(code)] as const)
  return Object.fromEntries(await Promise.all(entries))
}

async function measureSize(contents: string): Promise<Size> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: '.' },
    ...{ bundle: true, minify: true, write: false, platform: 'node', format: 'esm', target: 'node20.19' },
    // The application's own.
    external: ['pg', 'redis', 'ioredis', 'better-sqlite3'],
  })
  const minified = outputFiles.reduce((sum, { contents }) => sum + contents.length, 0)
  const gzipped = outputFiles.reduce((sum, { contents }) => sum + gzipSync(contents).length, 0)
  return { minified, gzipped }
}
