import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testFast } from '../../scripts/mutation-fast.ts'

const CODE = 'tests/mutation/fixture/code.ts'
const SUITE = 'tests/mutation/fixture/code.suite.ts'
const CHANGES = ['loaded', 'lasting', 'harmless', 'wrong', 'uncovered']

let tool: string

beforeAll(() => {
  tool = mkdtempSync(join(tmpdir(), 'mutation-'))
  const instrumenter = join(tool, 'node_modules/@stryker-mutator/instrumenter/dist/src')
  mkdirSync(instrumenter, { recursive: true })
  // Stryker is not installed: the code is instrumented already.
  writeFileSync(
    join(instrumenter, 'index.js'),
    `const location = { start: { line: 0, column: 0 }, end: { line: 0, column: 0 } }
    exports.Instrumenter = class {
      instrument([file]) {
        const mutants = ${JSON.stringify(CHANGES)}.map((id) => ({ id, mutatorName: id, fileName: file.name, location }))
        return { files: [file], mutants }
      }
    }`,
  )
})
afterAll(() => rmSync(tool, { recursive: true }))

test('testFast reports the status of each change, also after a change that breaks the next tests', {
  timeout: 180_000,
}, async () => {
  const { files } = await testFast([CODE], tool, { MUTATION_TESTS: SUITE })
  const outcomes = files[CODE]?.mutants.map(({ mutatorName, status }) => [mutatorName, status])
  expect(Object.fromEntries(outcomes ?? [])).toEqual({
    loaded: 'Killed',
    lasting: 'Killed',
    harmless: 'Survived',
    wrong: 'Killed',
    uncovered: 'NoCoverage',
  })
})

test('testFast rejects tests that fail without a change, because they would fail with every change', {
  timeout: 60_000,
}, async () => {
  const tests = { MUTATION_TESTS: `${SUITE},tests/mutation/fixture/unloadable.suite.ts` }
  await expect(testFast([CODE], tool, tests)).rejects.toThrow('This file cannot be loaded')
})
