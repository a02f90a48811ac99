import { expect, test } from 'vitest'
import { runInterrupted } from '../../bulk/interrupted.ts'
import { folderIn, temporaryFolder } from '../../support/cli.ts'

const folder = temporaryFolder()

test('1,000 orders, interrupted by SIGINT, SIGKILL and SIGINT, are processed once each', async () => {
  const { legs, processed, arrivals, repeated } = await runInterrupted({
    folder: folderIn(folder),
    orders: 1_000,
    concurrency: 8,
    interruptions: [
      { after: 200, signal: 'SIGINT' },
      { after: 500, signal: 'SIGKILL' },
      { after: 800, signal: 'SIGINT' },
    ],
  })
  expect(legs.map(({ exitCode }) => exitCode)).toEqual([130, null, 130, 0])
  expect([...processed.values()].filter((times) => times !== 1)).toEqual([])
  expect(processed.size).toBe(1_000)
  for (const times of arrivals.values()) expect(times).toEqual([...times].sort((a, b) => a - b))
  // Only what was in flight at the SIGKILL is sent again, with the same requestId: `serve` calls that a replay.
  expect(repeated.length).toBeLessThanOrEqual(8)
  for (const event of repeated) expect(event).toMatchObject({ event: 'replay', code: 'SUCCESS' })
  const last = legs.at(-1)?.summary as { succeeded: number; earlier: { succeeded: number } }
  expect(last.succeeded + last.earlier.succeeded).toBe(1_000)
  expect(last).toMatchObject({ complete: true, refused: 0, undelivered: 0, untrusted: 0, invalid: 0, aborted: 0 })
}, 120_000)
