import { expect, test } from 'vitest'
import { importsOf } from './support/imports.ts'
import { files, read } from './support/project.ts'

test('examples import the package by its name only', () => {
  const sources = files('examples', /^(?!.*node_modules).*\.[cm]?[jt]sx?$/)
  const imports = sources.flatMap((path) => importsOf(path, read(path)))
  expect(imports.map(({ to }) => to)).toContain('alipayhk-order-sync')
  expect(imports.filter(({ to }) => /^(src|dist|tests|scripts|\.\.)\//.test(to))).toEqual([])
})

test('package-lock.json contains no URL of a registry and no path of one machine', () => {
  const lock = read('package-lock.json')
  expect(lock).toContain('"integrity": "sha512-')
  expect(lock.match(/"resolved": ".*"/g)).toBeNull()
})

test('test files that replace modules, timers or globals run in the project "isolated"', () => {
  // Each file of the project "built" has a process of its own too.
  const changing = files('tests', /^(?!.*\bcli\/).*\.test\.ts$/).filter((path) =>
    /\bvi\.(mock|doMock|resetModules|useFakeTimers|stubEnv|stubGlobal)\(/.test(read(path)),
  )
  const isolated = read('vitest.config.ts').match(/const isolated = \[(.*?)\]/s)?.[1]
  expect(isolated).toBeDefined()
  expect(changing.filter((path) => !isolated?.includes(`'${path}'`))).toEqual([])
})
