import { describe, expect, test } from 'vitest'
import { bodyChanges } from '../../src/diagnosis/changes/body.ts'
import { diagnoseSignature } from '../../src/diagnosis/signature.ts'
import { readSignature } from '../../src/diagnosis/signature-texts.ts'
import { collectHeaders, parseMessageHead } from '../../src/protocol/headers.ts'
import { parseCredentials } from '../../src/secure-message/credentials.ts'
import { bytesOf, merchantCredentials, request } from '../support/messages.ts'

// Whoever has captured one signature can send it again with any body, and the handler then diagnoses it. A regular expression
// that takes quadratic time needs 5 to 12 seconds for these bodies. The bar is far from both.
const MAX_MS = 1_500

/** Runs of one character that a regular expression may try to match from each of its places. */
const RUNS = ['\n', '\r', '\r\n', ' ', '\t', ' \n', '=', '"', '\\', '[', '{"', '0', '/', '%', '\u3042']

const bodies = RUNS.flatMap((run) => {
  const text = run.repeat(65_000 / Buffer.byteLength(run))
  return [`${text}x`, `x${text}x`, `{"a":"${text}"}`].map((body) => [JSON.stringify(body.slice(0, 12)), body] as const)
})

const milliseconds = async (work: () => unknown) => {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

describe('a body of 64 KiB that is crafted to be slow', () => {
  test.each(bodies)('%s…: no change of it takes long', async (_, text) => {
    const { headers, ...parts } = request()
    const body = bytesOf(text)
    const limits = { maxBodyBytes: 65_536, maxRewrittenBytes: 8_192, plaintext: undefined }
    const received = { ...parts, clientId: '', time: '', body, layout: () => body, digest: () => body }
    for (const { apply, fix } of bodyChanges(body, limits)) {
      expect(await milliseconds(() => apply(received)), fix).toBeLessThan(MAX_MS)
    }
  })

  test('is diagnosed within a bounded time', async () => {
    const { headers, ...parts } = request()
    const collected = collectHeaders(headers)
    const message = {
      ...parts,
      head: parseMessageHead(collected, 'request'),
      body: bytesOf(`x${'\n'.repeat(65_000)}x`),
    }
    const credentials = parseCredentials(merchantCredentials())
    expect(await milliseconds(() => diagnoseSignature(message, collected, credentials))).toBeLessThan(MAX_MS)
  })
})

test.each(['a', '=', 'a=', ' ', 'signature', 'sign ', '%', '%25', '"', '\\', '\\/'])(
  'a Signature header of 8 KiB of %j is read in a bounded time',
  async (unit) => {
    const run = unit.repeat(8_150 / unit.length)
    for (const header of [run, `signature=${run}x`, `x=${run}x,signature=AAAA`]) {
      // Quadratic time: 50 ms for each regular expression.
      expect(await milliseconds(() => Array.from({ length: 10 }, () => readSignature(header)))).toBeLessThan(MAX_MS / 5)
    }
  },
)
