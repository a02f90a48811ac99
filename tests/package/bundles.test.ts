import { execFile } from 'node:child_process'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { describe, expect, onTestFinished, test } from 'vitest'
import webpack from 'webpack'
import { temporaryFolder } from '../support/cli.ts'
import { gatewayRsa, merchantRsa, pem } from '../support/keys.ts'
import { CLIENT_ID, encryptedRequest, order, request, type TestRequest } from '../support/messages.ts'
import { root } from '../support/project.ts'
import { betterSqliteWorks, hasNodeSqlite } from '../support/stores.ts'

const run = promisify(execFile)
const folder = temporaryFolder()

/** An application that processes the requests in its first argument, with a store in the file in its second. Prints the events. */
const application = (imports: string, options: string) => `
  import { createOrderSyncHandler } from 'alipayhk-order-sync'
  import { sqliteStore } from 'alipayhk-order-sync/stores/sqlite'
  ${imports}
  const [, , requests, file] = process.argv
  const kinds = []
  const handler = createOrderSyncHandler({
    credentials: ${JSON.stringify({
      clientId: CLIENT_ID,
      privateKeys: { 1: pem(merchantRsa().privateKey) },
      peerPublicKeys: { 1: pem(gatewayRsa().publicKey) },
    })},
    store: sqliteStore({ file${options} }),
    onOrder: ({ merchantBizNo }) => ({ orderId: merchantBizNo }),
    onEvent: ({ kind }) => kinds.push(kind),
  })
  async function main() {
    for (const { body, ...rest } of JSON.parse(requests)) await handler({ ...rest, body: Buffer.from(body, 'base64') })
    console.log(JSON.stringify(kinds))
    process.exit()
  }
  main()`

type Bundle = (entry: string, outfile: string) => Promise<unknown>

// The lines of docs/stores.md, section "Bundles".
const bundlers: Readonly<Record<string, Bundle>> = {
  webpack: (entry, outfile) =>
    bundleWithWebpack({
      target: 'node',
      mode: 'production',
      entry,
      output: { path: folder, filename: outfile },
      externals: { 'better-sqlite3': 'commonjs better-sqlite3' },
    }),
  'esbuild to CommonJS': (entry, outfile) =>
    build({
      entryPoints: [entry],
      bundle: true,
      platform: 'node',
      format: 'cjs',
      external: ['better-sqlite3'],
      outfile: join(folder, outfile),
      logLevel: 'error',
    }),
}

function bundleWithWebpack(configuration: webpack.Configuration): Promise<void> {
  return new Promise((resolve, reject) => {
    webpack({ context: root, ...configuration }, (error, stats) => {
      if (error) reject(error)
      else if (stats?.hasErrors() || stats?.hasWarnings()) reject(new Error(stats.toString('errors-warnings')))
      else resolve()
    })
  })
}

const drivers = [
  {
    name: 'better-sqlite3 as the option driver',
    skip: !betterSqliteWorks(),
    imports: `import Database from 'better-sqlite3'`,
    options: ', driver: Database',
  },
  { name: 'node:sqlite', skip: !hasNodeSqlite, imports: '', options: '' },
]

const toJson = ({ body, ...rest }: TestRequest) => ({ ...rest, body: Buffer.from(body).toString('base64') })

for (const [bundler, bundle] of Object.entries(bundlers)) {
  for (const { name, skip, imports, options } of drivers) {
    test.skipIf(skip)(
      `a bundle of ${bundler} processes orders, with ${name}, and knows them after a restart`,
      { timeout: 60_000 },
      async ({ onTestFinished }) => {
        const id = `${bundler}-${name}`.replace(/\W+/g, '-')
        // Inside the project: the package imports itself by its name, and finds better-sqlite3.
        const entry = join(root, '.cache', `${id}.mjs`)
        onTestFinished(() => rmSync(entry))
        writeFileSync(entry, application(imports, options))
        await bundle(entry, `${id}.cjs`)
        const time = new Date().toISOString()
        const forged = request({ time, key: merchantRsa().privateKey })
        const requests = [
          request({ time }),
          encryptedRequest({ time, message: order({ merchantBizNo: 'B', requestId: 'b' }) }),
          forged,
        ]
        const start = async () => {
          const args = [join(folder, `${id}.cjs`), JSON.stringify(requests.map(toJson)), join(folder, `${id}.db`)]
          return JSON.parse(
            (await run(process.execPath, args, { env: { ...process.env, NODE_PATH: join(root, 'node_modules') } }))
              .stdout,
          )
        }
        expect(await start()).toEqual(['processed', 'processed', 'rejected'])
        expect(await start()).toEqual(['replay', 'replay', 'rejected'])
      },
    )
  }
}

describe('a bundle of one file for a Worker, with the line of docs/runtimes.md', () => {
  const bytes: Record<string, number> = {}

  /** Bundles a program, and returns its text and what it imports. */
  async function bundle(name: string, code: string) {
    const entry = join(root, '.cache', `worker-${name}.mjs`)
    onTestFinished(() => rmSync(entry))
    writeFileSync(entry, code)
    const outfile = join(folder, `worker-${name}.mjs`)
    const { metafile } = await build({
      entryPoints: [entry],
      bundle: true,
      minify: true,
      platform: 'node',
      format: 'esm',
      external: ['tinypool', 'jose'],
      outfile,
      metafile: true,
      logLevel: 'error',
    })
    bytes[name] = statSync(outfile).size
    const inputs = Object.keys(metafile.inputs)
    expect(inputs.filter((path) => /node_modules\/(tinypool|jose)\//.test(path))).toEqual([])
    return readFileSync(outfile, 'utf8')
  }

  const client = `export { createOrderSyncClient } from 'alipayhk-order-sync'`
  const handler = `export { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'`

  test('contains neither tinypool nor jose, and runs without them', async () => {
    const text = await bundle('both', `${client}\n${handler}`)
    expect(text).toMatch(/import\("tinypool"\)/)
    expect(text).not.toMatch(/import\("jose"\)/)
    const { stdout } = await run(process.execPath, [
      '--input-type=module',
      '--eval',
      `const { createOrderSyncHandler } = await import(${JSON.stringify(join(folder, 'worker-both.mjs'))})
       console.log(typeof createOrderSyncHandler)`,
    ])
    expect(stdout).toBe('function\n')
  })

  test('tree-shakes: a client alone is at most four fifths of client and handler', async () => {
    await bundle('both', `${client}\n${handler}`)
    await bundle('client', client)
    await bundle('handler', handler)
    expect((bytes['client'] ?? 0) / (bytes['both'] ?? 1)).toBeLessThan(0.8)
    expect((bytes['handler'] ?? 0) / (bytes['both'] ?? 1)).toBeLessThan(0.87)
  })
})
