import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { describe, expect, onTestFinished, test } from 'vitest'
import { run } from '../support/processes.ts'

const SCRIPT = 'tests/support/decrypting.ts'
const REFUSED = expect.stringMatching(/^ERR_DECRYPTION The encrypted body could not be decrypted\./)
/** Under a wrong AES key, the padding comes out right once in 256 times: then the outcome is other bytes. */
const NOT_PLAINTEXT = expect.not.stringMatching(/^(good|OAEP)$/)
const OUTCOMES = ['good', 'OAEP', NOT_PLAINTEXT, NOT_PLAINTEXT, NOT_PLAINTEXT, REFUSED]

async function decrypt(threads: string, script = SCRIPT) {
  const ended = await run(script, [], { ORDER_SYNC_DECRYPT_THREADS: threads })
  // The process has ended by itself: idle threads do not keep it alive.
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  const printed = JSON.parse(ended.stdout) as { threads: number; first: string[]; later: string[] }
  expect(new Set([...printed.first, ...printed.later].filter((outcome) => outcome.startsWith('ERR'))).size).toBe(1)
  return printed
}

describe('decryptBody', () => {
  test('starts worker threads with the first message, and has the same outcomes on them', async () => {
    expect(await decrypt('2')).toStrictEqual({ threads: 2, offThread: true, first: OUTCOMES, later: OUTCOMES })
  })

  test('starts at most one thread for each core', async () => {
    expect((await decrypt('16')).threads).toBeLessThanOrEqual(availableParallelism())
  })

  test('starts no thread when ORDER_SYNC_DECRYPT_THREADS is 0', async () => {
    expect(await decrypt('0')).toStrictEqual({ threads: 0, offThread: false, first: OUTCOMES, later: OUTCOMES })
  })

  test.each(['1', '4'])(
    'decrypts on the main thread in a bundle without the worker file (%s threads)',
    async (threads) => {
      const folder = mkdtempSync(join(tmpdir(), 'order-sync-'))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      const outfile = join(folder, 'bundle.mjs')
      await build({ entryPoints: [SCRIPT], outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
      expect(await decrypt(threads, outfile)).toMatchObject({ offThread: false, first: OUTCOMES, later: OUTCOMES })
    },
  )

  test('decrypts on the main thread when the threads have crashed and others cannot start', async () => {
    mkdirSync('.cache', { recursive: true })
    // Here, so that the bundle finds tinypool.
    const folder = mkdtempSync(join('.cache', 'crashing-threads-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const outfile = join(folder, 'bundle.mjs')
    const script = 'tests/support/crashing-threads.ts'
    await build({ entryPoints: [script], outfile, bundle: true, packages: 'external', platform: 'node', format: 'esm' })
    writeFileSync(
      join(folder, 'unwrap-worker.js'),
      `import { existsSync } from 'node:fs'
      import { fileURLToPath } from 'node:url'
      const crash = () => { throw new Error('crash') }
      export default async () => {
        if (!existsSync(fileURLToPath(import.meta.url))) {
          queueMicrotask(crash)
          await new Promise(() => {})
        }
        return Buffer.from('a worker')
      }`,
    )
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    const { stdout } = await run(outfile, [], { ORDER_SYNC_DECRYPT_THREADS: '2' })
    expect(JSON.parse(stdout)).toEqual(['a worker', 'this thread', 'this thread'])
  })
})
