import { readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import project from '../package.json' with { type: 'json' }

/** The sizes of the last release. */
const FILE = 'benchmarks/sizes.json'

/** The code with which an application imports a part. */
const PARTS: Readonly<Record<string, string>> = {
  'the whole root': "export * from 'alipayhk-order-sync'",
  createOrderSyncHandler: "export { createOrderSyncHandler } from 'alipayhk-order-sync'",
  createOrderSyncClient: "export { createOrderSyncClient } from 'alipayhk-order-sync'",
  'sign, verify': "export { sign, verify } from 'alipayhk-order-sync/crypto'",
  headers:
    "export { formatEncryptHeader, formatSignatureHeader, parseEncryptHeader, parseSignatureHeader } from 'alipayhk-order-sync/protocol'",
  'encryptBody, decryptBody': "export { decryptBody, encryptBody } from 'alipayhk-order-sync/crypto'",
  decide: "export { decide } from 'alipayhk-order-sync/policy'",
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

/** The size in bytes of a part, bundled with its dependencies. */
export interface SizeRow extends Size {
  readonly part: string
  /** Minified bytes more than in the last release; undefined for a new part. */
  readonly change: number | undefined
}

/** Measures the size of each part and compares it with the last release. */
export async function size(): Promise<{ readonly since: string; readonly rows: readonly SizeRow[] }> {
  const { version: since, sizes: before } = JSON.parse(readFileSync(FILE, 'utf8')) as Saved
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

/** Stores the sizes for the comparison with the next release. */
export async function saveSizes(): Promise<void> {
  const saved: Saved = { version: project.version, sizes: await measureSizes() }
  writeFileSync(FILE, `${JSON.stringify(saved, undefined, 2)}\n`)
}

async function measureSizes(): Promise<Sizes> {
  const entries = Object.entries(PARTS).map(async ([part, code]) => [part, await measureSize(code)] as const)
  return Object.fromEntries(await Promise.all(entries))
}

async function measureSize(contents: string): Promise<Size> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: '.' },
    ...{ bundle: true, minify: true, write: false, platform: 'node', format: 'esm', target: 'node20.19' },
    // Drivers are installed by the application.
    external: ['pg', 'redis', 'ioredis', 'better-sqlite3'],
  })
  const minified = outputFiles.reduce((sum, { contents }) => sum + contents.length, 0)
  const gzipped = outputFiles.reduce((sum, { contents }) => sum + gzipSync(contents).length, 0)
  return { minified, gzipped }
}
