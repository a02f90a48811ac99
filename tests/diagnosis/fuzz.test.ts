import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { explainRequest } from '../../src/diagnosis/explain.ts'
import { isOrderSyncError } from '../../src/errors.ts'
import { merchantCredentials, NOW, request } from '../support/messages.ts'

/** What becomes of a capture: an explanation, or the code of the error. */
const outcome = async (captured: unknown) => {
  try {
    const options = { now: () => NOW, maxTrials: 60 }
    const explanation = await explainRequest(captured as string, merchantCredentials(), options)
    JSON.stringify(explanation)
    return explanation.verified ? 'verified' : 'explained'
  } catch (error) {
    if (isOrderSyncError(error)) return error.code
    throw error
  }
}

const OUTCOMES = ['explained', 'ERR_REQUEST']
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constantFrom('', '\0', '%', '"', '{', 'now', '0'))
const part = fc.oneof(fc.constant(undefined), text, fc.json(), fc.anything())
const runs = { numRuns: 300 }

describe('explainRequest explains, or rejects with ERR_REQUEST,', () => {
  test('any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), async (bytes) => {
        expect(OUTCOMES).toContain(await outcome(bytes))
      }),
      runs,
    )
  })

  test('any text after the start of a known form', async () => {
    const starts = [
      '',
      'POST / HTTP/1.1\r\n',
      'HTTP/1.1 200\n',
      "curl 'https://a.example/' ",
      '{"headers":',
      ':method: POST\n',
    ]
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...starts), text, async (start, rest) => {
        expect(OUTCOMES).toContain(await outcome(start + rest))
      }),
      runs,
    )
  })

  test('any object', async () => {
    const objects = fc.record({
      method: part,
      path: part,
      headers: part,
      body: part,
      bodyBase64: part,
      status: part,
      request: part,
      log: part,
    })
    await fc.assert(
      fc.asyncProperty(objects, async (object) => {
        expect(OUTCOMES).toContain(await outcome(object))
      }),
      runs,
    )
  })

  test('any value of a header, any path and any body', async () => {
    const names = [
      'Client-Id',
      'Content-Type',
      'Request-Time',
      'Response-Time',
      'Signature',
      'Encrypt',
      'Content-Length',
      'Host',
      'X-Forwarded-Prefix',
      'Date',
    ]
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), text, text, fc.uint8Array(), async (name, value, path, body) => {
        const right = request()
        const changed = { ...right, path, body, headers: { ...right.headers, [name]: value } }
        expect(OUTCOMES).toContain(await outcome(changed))
      }),
      runs,
    )
  })

  test('times at the limits of dates', async () => {
    for (const time of [
      '+275760-09-13T00:00:00Z',
      '-271821-04-20T00:00:00Z',
      '9999-12-31T23:59:59Z',
      '0000-01-01T00:00:00Z',
      '9999999999999',
      '9999999999',
    ]) {
      const right = request()
      expect(await outcome({ ...right, headers: { ...right.headers, 'Request-Time': time } })).toBe('explained')
    }
  })

  test('a body that is an object with a circular reference', async () => {
    const body: { loop?: unknown } = {}
    body.loop = body
    expect(await outcome({ headers: {}, body })).toBe('ERR_REQUEST')
    expect(await outcome({ headers: {}, body: { loop: 1 } })).toBe('explained')
  })
})
