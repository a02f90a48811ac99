import { expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import { collectHeaders, parseMessageHead } from '../../src/protocol/headers.ts'
import { parseCredentials } from '../../src/secure-message/credentials.ts'
import { createDiagnosis } from '../../src/server/diagnose.ts'
import { merchantCredentials, request } from '../support/messages.ts'

const ended = (code: 'ERR_SIGNATURE_INVALID' | 'ERR_TIME_RANGE' = 'ERR_SIGNATURE_INVALID') => {
  const { headers, ...parts } = request({ path: '/hook' })
  const collected = collectHeaders(headers)
  const message = { ...parts, path: '/hook/', head: parseMessageHead(collected, 'request') }
  return {
    outcome: { kind: 'rejected', error: new ProtocolError(code, 'the message') },
    credentials: parseCredentials(merchantCredentials()),
    unverified: { message, headers: collected },
  } as const
}

const EXPLAINED = expect.stringMatching(/^The sender signed the path \/hook,/)

test('createDiagnosis explains at most four signatures in a second', async () => {
  let now = 5_000
  const diagnose = createDiagnosis(() => now)
  const explain = async (count: number) => {
    const hints: unknown[] = []
    for (let index = 0; index < count; index++) hints.push(await diagnose(ended()))
    return hints
  }
  expect(await explain(5)).toEqual([...Array(4).fill(EXPLAINED), undefined])
  now += 999
  expect(await explain(1)).toEqual([undefined])
  now += 1
  expect(await explain(1)).toEqual([EXPLAINED])
})

test('createDiagnosis explains one signature at a time', async () => {
  const diagnose = createDiagnosis(() => 0)
  expect(await Promise.all([diagnose(ended()), diagnose(ended())])).toEqual([EXPLAINED, undefined])
  expect(await diagnose(ended())).toEqual(EXPLAINED)
})

test('createDiagnosis explains wrong signatures only', async () => {
  expect(await createDiagnosis(() => 0)(ended('ERR_TIME_RANGE'))).toBeUndefined()
})
