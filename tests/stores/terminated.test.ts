import process from 'node:process'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { run } from '../support/processes.ts'
import { makePlace } from '../support/stores.ts'

const url = inject('postgresUrl')

/** STRESS_SECONDS=60 for a long run. */
const SECONDS = Number(process.env['STRESS_SECONDS'] ?? 3)

async function runWorker(...args: string[]) {
  const { place, remove } = await makePlace('transactional', url ?? '')
  onTestFinished(remove)
  const schema = place.split(' ')[2] ?? ''
  return await run('tests/stores/terminated-worker.ts', [url ?? '', schema, ...args])
}

describe.skipIf(url === undefined)('a process with transactionalPostgresStore', () => {
  test('survives FATAL 57P01 in the same chunk as ReadyForQuery, and processes the next order', async () => {
    const { code, stderr, stdout } = await runWorker('proxy')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    // Each of the three connections breaks. After COMMIT that comes too late to fail the order.
    expect(JSON.parse(stdout)).toMatchObject({ failed: 2, processed: 4 })
  })

  test(`survives that its connections are terminated for ${SECONDS} s`, {
    timeout: (SECONDS + 30) * 1_000,
  }, async () => {
    const { code, stderr, stdout } = await runWorker('stress', String(SECONDS))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { processed, failed } = JSON.parse(stdout)
    expect(processed).toBeGreaterThan(0)
    expect(failed).toBeGreaterThan(0)
  })
})
