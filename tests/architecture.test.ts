import ts from 'typescript'
import { expect, test } from 'vitest'
import { type Import, importsOf } from './support/imports.ts'
import { files, read } from './support/project.ts'

/** What both shells stand on. */
const CORE = ['errors.ts', 'protocol/*', 'crypto/*', 'messages/*', 'exchange/*', 'policy/*']

/**
 * Who imports whom: this table is the architecture document. A row is a folder of src/, or a file beside the folders;
 * its own files aside, it imports what is listed and nothing else. `types` are imports that the compiler takes out.
 * A third-party package stands in one row only.
 */
const TABLE: Readonly<Record<string, { imports?: readonly string[]; types?: readonly string[] }>> = {
  'errors.ts': { types: ['protocol/result.ts'] },
  protocol: { imports: ['errors.ts', 'node:buffer'] },
  crypto: {
    imports: ['errors.ts', 'protocol/*', 'node:crypto', 'node:os', 'node:util', 'jose', 'tinypool'],
  },
  messages: { imports: ['errors.ts', 'protocol/*'], types: ['ajv'] },
  policy: {},
  exchange: { imports: ['errors.ts', 'protocol/*', 'crypto/*', 'messages/*'] },
  server: { imports: [...CORE, 'ts-pattern', 'node:timers/promises'] },
  client: { imports: [...CORE, 'node:timers/promises'] },
  adapters: {
    imports: ['protocol/endpoint.ts', 'node:buffer', 'node:http', 'node:stream', 'node:stream/promises'],
    types: ['server/*'],
  },
  stores: {
    imports: ['policy/*', 'node:module', 'node:process', 'node:timers/promises'],
    types: ['server/store.ts'],
  },
  testing: { imports: ['node:assert/strict', 'node:process'], types: ['server/store.ts'] },
  'index.ts': { imports: [...CORE, 'server/*', 'client/*', 'stores/*'] },
  // Over the public face only, as a user would.
  cli: { imports: ['alipayhk-order-sync', 'alipayhk-order-sync/*', 'node:*', 'pg', 'redis'] },
}

const sources = files('src', /(?<!\.d)\.[jt]s$/)

const rowOf = (path: string) => path.split('/')[0] ?? ''
const matches = (pattern: string, to: string) =>
  pattern.endsWith('*') ? to.startsWith(pattern.slice(0, -1)) : to === pattern

function breaches(imports: readonly Import[]): string[] {
  return imports
    .filter(({ from, to, typeOnly }) => {
      if (rowOf(from) === rowOf(to)) return false
      const { imports = [], types = [] } = TABLE[rowOf(from)] ?? {}
      return ![...imports, ...(typeOnly ? types : [])].some((pattern) => matches(pattern, to))
    })
    .map(({ from, to, typeOnly }) => `${from} imports ${typeOnly ? 'types of ' : ''}${to}`)
}

const inSource = (path: string) => path.replace('src/', '')

test('every import is in the table', () => {
  expect(breaches(sources.flatMap((path) => importsOf(inSource(path), read(path))))).toEqual([])
})

test.each([
  ['a lower layer imports a higher one', 'protocol/time.ts', "import { parsePublicKey } from '../crypto/keys.ts'"],
  ['one shell imports the other', 'server/handler.ts', "export * from '../client/client.ts'"],
  ['an inner file imports the public face', 'server/handler.ts', "import type { Order } from '../index.ts'"],
  ['an adapter imports more than types', 'adapters/node.ts', "import { readBody } from '../server/body.ts'"],
  [
    'a store imports more of the server than its interface',
    'stores/a.ts',
    "import type {} from '../server/handler.ts'",
  ],
  ['the command line imports what users cannot', 'cli/main.ts', "import { parsePublicKey } from '../crypto/keys.ts'"],
  ['node:crypto outside its folder', 'server/delivery.ts', "import { createHash } from 'node:crypto'"],
  ['a third-party package outside its folder', 'client/client.ts', "const { decodeJwt } = await import('jose')"],
  ['ajv at run time', 'messages/validate.ts', "import Ajv from 'ajv'"],
  ['a folder that is not in the table', 'utils/time.ts', "import '../errors.ts'"],
  ['a type that is imported by name', 'stores/a.ts', "type Handler = import('../server/handler.ts').OrderSyncHandler"],
])('breach: %s', (_, from, text) => {
  expect(breaches(importsOf(from, text))).toHaveLength(1)
})

test('a third-party package stands in one row of the table', () => {
  const listed = Object.values(TABLE).flatMap(({ imports = [], types = [] }) => [...imports, ...types])
  const external = listed.filter((name) => !/^node:|\/\*$|\.ts$/.test(name))
  expect(external.filter((name, index) => external.indexOf(name) !== index)).toEqual([])
})

test('the table has a row for all that is in src/, and no other', () => {
  expect(Object.keys(TABLE).sort()).toEqual([...new Set(sources.map(inSource).map(rowOf))].sort())
})

test('run-time dependencies are those that are imported for more than types, but for what is bundled', () => {
  const imports = sources.flatMap((path) => importsOf(inSource(path), read(path)))
  const external = imports.filter(({ to, typeOnly }) => !typeOnly && /^[@a-z]/.test(to) && !/^node:|\.[jt]s$/.test(to))
  const { name, dependencies, peerDependencies } = JSON.parse(read('package.json')) as {
    name: string
    dependencies: object
    peerDependencies: object
  }
  const packages = new Set(external.map(({ to }) => /^(@[^/]+\/)?[^/]+/.exec(to)?.[0]))
  packages.delete(name)
  // See docs/decisions/0006.
  packages.delete('ts-pattern')
  // Drivers are the user's own.
  const required = [...packages].filter((name) => name !== undefined && !(name in peerDependencies))
  expect(required.sort()).toEqual(Object.keys(dependencies).sort())
})

test('the public face has no logic', () => {
  const face = ts.createSourceFile('index.ts', read('src/index.ts'), ts.ScriptTarget.Latest)
  expect(face.statements.filter((statement) => !ts.isExportDeclaration(statement))).toEqual([])
})

test.each(files('src/adapters', /\.ts$/))('%s has under 60 lines of code', (path) => {
  const code = read(path)
    .replace(/\/\*\*[\s\S]*?\*\//g, '')
    .split('\n')
  expect(code.filter((line) => !/^\s*(\/\/.*)?$/.test(line)).length).toBeLessThan(60)
})

test('examples know the package by its name only', () => {
  const outside = files('examples', /^(?!.*node_modules).*\.[cm]?[jt]sx?$/)
    .flatMap((path) => importsOf(path, read(path)))
    .filter(({ to }) => /^(src|dist|tests|scripts|\.\.)\//.test(to))
  expect(outside).toEqual([])
})

test('the lockfile names no host and no path of one machine', () => {
  const lock = read('package-lock.json')
  expect(lock).toContain('"integrity": "sha512-')
  expect(lock.match(/"resolved": ".*"/g)).toEqual(['"resolved": "tests/drivers"'])
})

test('tests that change modules or timers have a process of their own', () => {
  const changing = files('tests', /\.test\.ts$/).filter((path) =>
    /\bvi\.(mock|doMock|resetModules|useFakeTimers|stubEnv|stubGlobal)\(/.test(read(path)),
  )
  expect(changing.length).toBeGreaterThan(0)
  const isolated = read('vitest.config.ts').match(/const isolated = \[(.*?)\]/s)?.[1]
  expect(changing.filter((path) => !isolated?.includes(`'${path}'`))).toEqual([])
})
