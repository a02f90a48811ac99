import process from 'node:process'
import { expect, test } from 'vitest'
import { parseJson } from '../../src/protocol/json.ts'

const MEBIBYTE = 1_048_576
const brackets = MEBIBYTE / 2
const objects = MEBIBYTE / 6

test.each([
  ['[', '['.repeat(MEBIBYTE)],
  ['{"a":', '{"a":'.repeat(MEBIBYTE / 5)],
  ['nested arrays that are closed', '['.repeat(brackets) + ']'.repeat(brackets)],
  ['nested objects that are closed', `${'{"a":'.repeat(objects)}1${'}'.repeat(objects)}`],
])('parseJson rejects 1 MiB of %s in less than 150 ms of CPU time', (_, text) => {
  const bytes = new TextEncoder().encode(text)
  const start = process.cpuUsage()
  expect(() => parseJson(bytes)).toThrow(expect.objectContaining({ name: 'ProtocolError', code: 'ERR_JSON_INVALID' }))
  const { user, system } = process.cpuUsage(start)
  expect((user + system) / 1_000).toBeLessThan(150)
})
