import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { run } from '../support/processes.ts'

const SCRIPT = 'tests/support/decrypting.ts'
const REFUSED = expect.stringMatching(/^ERR_DECRYPTION The encrypted body could not be opened\./)
/** With a wrong AES key, padding comes out right once in 256 times. */
const UNREAD = expect.not.stringMatching(/^(good|OAEP)$/)
const OUTCOMES = ['good', 'OAEP', UNREAD, UNREAD, UNREAD, REFUSED]

async function decrypt(threads: string, script = SCRIPT) {
  const ended = await run(script, [], { ORDER_SYNC_DECRYPT_THREADS: threads })
  // It has ended by itself: threads that have nothing to do keep no process alive.
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  const told = JSON.parse(ended.stdout) as { threads: number; first: string[]; later: string[] }
  expect(new Set([...told.first, ...told.later].filter((outcome) => outcome.startsWith('ERR'))).size).toBe(1)
  return told
}

test('threads are started by the first message, and open what comes then, with the same outcomes', async () => {
  expect(await decrypt('2')).toStrictEqual({ threads: 2, elsewhere: true, first: OUTCOMES, later: OUTCOMES })
})

test('there are no more threads than cores, whatever is asked for', async () => {
  expect((await decrypt('16')).threads).toBeLessThanOrEqual(availableParallelism())
})

test('where there are to be none, none is started', async () => {
  expect(await decrypt('0')).toStrictEqual({ threads: 0, elsewhere: false, first: OUTCOMES, later: OUTCOMES })
})

test.each(['1', '4'])('a bundle that leaves the files of %s threads behind goes on without', async (threads) => {
  const folder = mkdtempSync(join(tmpdir(), 'order-sync-'))
  try {
    const outfile = join(folder, 'bundle.mjs')
    await build({ entryPoints: [SCRIPT], outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
    expect(await decrypt(threads, outfile)).toMatchObject({ elsewhere: false, first: OUTCOMES, later: OUTCOMES })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
