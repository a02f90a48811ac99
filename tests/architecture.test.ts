import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { entryPoints } from '../scripts/entry-points.ts'
import { circlesOf, graphOf } from './support/circles.ts'
import { type Import, importsOf } from './support/imports.ts'
import { files, read } from './support/project.ts'

/** What one row of the table may import. */
interface Row {
  /**
   * Files of src/, `folder/*`, packages and modules of Node.js. `file.ts#NAME` allows one value of a file.
   * The files of the row's own folder are always allowed.
   */
  readonly imports?: readonly string[]
  /** Allowed as `import type` only. The compiler removes such an import. */
  readonly types?: readonly string[]
}

/** The files beside the folders. Every folder may use them. */
const ROOT = ['errors.ts', 'notify.ts', 'option-rules.ts', 'result-codes.ts', 'timeout.ts']

/** One secured message, with what it is made of. Both shells use it. */
const CORE = [
  ...ROOT,
  'telemetry/channels.ts',
  'telemetry/observe.ts',
  'protocol/*',
  'crypto/*',
  'keys/*',
  'messages/*',
  'secure-message/*',
  'diagnosis/*',
  'policy/*',
]

/**
 * The layers, from the lowest to the highest. A row is a folder of src/, or a file beside the folders.
 * Everything that is not listed is forbidden.
 */
const TABLE: Readonly<Record<string, Row>> = {
  'result-codes.ts': {},
  'errors.ts': { imports: ['result-codes.ts'] },
  'timeout.ts': {},
  'notify.ts': {},
  'option-rules.ts': {},
  telemetry: { imports: ['errors.ts', 'notify.ts', 'node:diagnostics_channel', '@opentelemetry/api'] },
  protocol: { imports: [...ROOT, 'node:buffer'] },
  crypto: { imports: [...ROOT, 'protocol/*', 'node:crypto', 'node:os', 'node:util', 'tinypool'] },
  keys: { imports: [...ROOT, 'protocol/*', 'crypto/*', 'node:crypto', 'node:util', 'jose'] },
  messages: { imports: [...ROOT, 'protocol/*'], types: ['ajv'] },
  'secure-message': { imports: [...ROOT, 'telemetry/channels.ts', 'protocol/*', 'crypto/*', 'keys/*', 'messages/*'] },
  diagnosis: {
    imports: [...ROOT, 'protocol/*', 'crypto/*', 'keys/*', 'messages/*', 'secure-message/*', 'node:zlib'],
  },
  policy: { imports: ['errors.ts', 'timeout.ts', 'ts-pattern'] },
  stores: {
    imports: [
      'errors.ts',
      'policy/*',
      'timeout.ts',
      'option-rules.ts',
      'node:module',
      'node:path',
      'node:process',
      'node:timers/promises',
    ],
  },
  server: { imports: [...CORE, 'ts-pattern', 'node:timers/promises'], types: ['stores/store.ts'] },
  client: { imports: [...CORE, 'ts-pattern', 'node:timers/promises'] },
  // Sends through the client, and keeps its events in a store that it is given.
  outbox: {
    imports: [...CORE, 'client/order.ts', 'node:crypto', 'node:timers/promises'],
    types: ['client/client.ts', 'stores/outbox-store.ts'],
  },
  adapters: {
    imports: [
      'errors.ts',
      'protocol/endpoint.ts',
      'server/http.ts#PARSED_BODY',
      'node:buffer',
      'node:process',
      'node:http',
      'node:stream',
      'node:stream/promises',
    ],
    types: ['server/*'],
  },
  // The test kit plays the other side: it uses the message modules, and the handler for a receiver.
  testing: {
    imports: [
      ...CORE,
      'node:assert/strict',
      'node:process',
      'node:crypto',
      'node:http',
      'node:https',
      'node:net',
      'node:timers/promises',
      'node:tls',
      'server/handler.ts',
      'stores/memory.ts',
    ],
    types: ['stores/store.ts', 'server/*'],
  },
  // The server of the development console. It plays AlipayHK with the test kit.
  console: {
    imports: [...CORE, 'testing/test-peer.ts', 'node:crypto', 'node:fs/promises', 'node:http', 'node:net'],
    types: ['server/*', 'client/*', 'outbox/*'],
  },
  // The page, which runs in a browser and is built into one file.
  'console/page': { imports: ['console/wire.ts', 'errors.ts', 'messages/*', 'preact', 'preact/hooks'] },
  public: {
    imports: [
      ...CORE,
      'stores/*',
      'server/*',
      'client/*',
      'outbox/*',
      'adapters/*',
      'testing/*',
      'telemetry/*',
      'console/*',
    ],
  },
  // The command line imports what users can import.
  cli: { imports: ['alipayhk-order-sync', 'alipayhk-order-sync/*', 'node:*', 'mysql2/promise', 'pg', 'redis'] },
}

/** tsup copies these packages into dist/, so users do not install them and several rows may import them. */
const BUNDLED = ['ts-pattern', 'preact']

const sources = files('src', /(?<!\.d)\.[jt]sx?$/)
const imports = sources.flatMap((path) => importsOf(inSource(path), read(path)))

function inSource(path: string): string {
  return path.replace('src/', '')
}

/** The row of a file: its top-level folder, or the file itself. The page of the console runs elsewhere: it has its own. */
function rowOf(path: string): string {
  return path.startsWith('console/page/') ? 'console/page' : (path.split('/')[0] ?? '')
}

function isAllowed({ to, values }: Import, pattern: string): boolean {
  const [path = '', name] = pattern.split('#')
  if (name !== undefined) return to === path && values.every((value) => value === name)
  return pattern.endsWith('*') ? to.startsWith(pattern.slice(0, -1)) : to === pattern
}

/** The imports that the table forbids, in words. */
function breachesIn(imports: readonly Import[]): string[] {
  return imports
    .filter((found) => {
      if (rowOf(found.from) === rowOf(found.to)) return false
      const { imports = [], types = [] } = TABLE[rowOf(found.from)] ?? {}
      return ![...imports, ...(found.typeOnly ? types : [])].some((pattern) => isAllowed(found, pattern))
    })
    .map(({ from, to, typeOnly }) => `${from} imports ${typeOnly ? 'types of ' : ''}${to}`)
}

const isExternal = (specifier: string) => !/^node:|\/\*$|\.(?:[jt]sx?|css)(#|$)/.test(specifier)

/** The name of a package, without the path in it. */
const packageOf = (specifier: string) => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? ''

describe('the table of layers', () => {
  test('allows every import in src/', () => {
    expect(breachesIn(imports)).toEqual([])
  })

  test('has a row for each folder and file of src/, and no other row', () => {
    expect(Object.keys(TABLE).sort()).toEqual([...new Set(sources.map(inSource).map(rowOf))].sort())
  })

  test('lists a third-party package in one row only, unless it is bundled', () => {
    const listed = Object.values(TABLE).flatMap(({ imports = [], types = [] }) => [...imports, ...types])
    const external = listed.filter((name) => isExternal(name) && !BUNDLED.includes(packageOf(name)))
    expect(external).toContain('jose')
    expect(external.filter((name, index) => external.indexOf(name) !== index)).toEqual([])
  })

  test.each([
    [
      'a layer imports lower layers only',
      {
        from: 'keys/keys.ts',
        allowed: "import { sha256 } from '../crypto/digest.ts'",
        forbidden: "import { parseCredentials } from '../secure-message/credentials.ts'",
      },
    ],
    [
      'a layer imports types of lower layers only',
      {
        from: 'crypto/signature.ts',
        allowed: "import type { SignedContent } from '../protocol/signed-content.ts'",
        forbidden: "import type { PublicKey } from '../keys/keys.ts'",
      },
    ],
    [
      'a shell does not import the other shell',
      {
        from: 'server/handler.ts',
        allowed: "export * from '../policy/retry.ts'",
        forbidden: "export * from '../client/client.ts'",
      },
    ],
    [
      'no layer imports src/public',
      {
        from: 'server/handler.ts',
        allowed: "import type { Order } from '../messages/order.ts'",
        forbidden: "import type { Order } from '../public/index.ts'",
      },
    ],
    [
      'an adapter imports types of the server',
      {
        from: 'adapters/node.ts',
        allowed: "import type { RequestBody } from '../server/body-gate.ts'",
        forbidden: "import { readBody } from '../server/body-gate.ts'",
      },
    ],
    [
      'an adapter imports one value of the server, PARSED_BODY',
      {
        from: 'adapters/node.ts',
        allowed: "import { type IncomingRequest, PARSED_BODY } from '../server/http.ts'",
        forbidden: "import { PARSED_BODY, somethingElse } from '../server/http.ts'",
      },
    ],
    [
      'the server imports the interface of a store, and no store',
      {
        from: 'server/process-order.ts',
        allowed: "import type { OrderSyncStore } from '../stores/store.ts'",
        forbidden: "import { memoryStore } from '../stores/memory.ts'",
      },
    ],
    [
      'a store imports no types of the server',
      {
        from: 'stores/redis.ts',
        allowed: "type Decision = import('../policy/idempotency.ts').Decision",
        forbidden: "type Handler = import('../server/handler.ts').OrderSyncHandler",
      },
    ],
    [
      'the command line imports what users can import',
      {
        from: 'cli/main.ts',
        allowed: "import { parsePublicKey } from 'alipayhk-order-sync'",
        forbidden: "import { parsePublicKey } from '../keys/keys.ts'",
      },
    ],
    [
      'only some folders import node:crypto',
      {
        from: 'crypto/digest.ts',
        allowed: "import { createHash } from 'node:crypto'",
        forbidden: "import { createHash } from 'node:fs'",
      },
    ],
    [
      'one folder imports a third-party package',
      {
        from: 'keys/jwk-set.ts',
        allowed: "const { importJWK } = await import('jose')",
        forbidden: "const { Tinypool } = await import('tinypool')",
      },
    ],
    [
      'ajv is imported for types only',
      {
        from: 'messages/order.ts',
        allowed: "import type { JSONSchemaType } from 'ajv'",
        forbidden: "import Ajv from 'ajv'",
      },
    ],
  ])('%s', (_, { from, allowed, forbidden }) => {
    expect(breachesIn(importsOf(from, allowed))).toEqual([])
    expect(breachesIn(importsOf(from, forbidden))).toHaveLength(1)
  })

  test('forbids every import of a folder that has no row', () => {
    expect(breachesIn(importsOf('utils/time.ts', "import '../errors.ts'"))).toHaveLength(1)
    expect(breachesIn(importsOf('protocol/time.ts', "import '../errors.ts'"))).toEqual([])
  })

  test.each(['server', 'client', 'secure-message'])('forbids node:crypto in %s', (folder) => {
    const text = "import { createHash } from 'node:crypto'"
    expect(breachesIn(importsOf(`${folder}/a.ts`, text))).toHaveLength(1)
    expect(breachesIn(importsOf('crypto/a.ts', text))).toEqual([])
  })
})

describe('import circles', () => {
  const known = new Set(sources.map(inSource))
  const internal = imports.filter(({ to }) => known.has(to))

  test('no file of src/ imports itself through other files, type imports included', () => {
    expect(internal.length).toBeGreaterThan(100)
    expect(circlesOf(graphOf(internal.map(({ from, to }) => [from, to])))).toEqual([])
  })

  test('no folder of src/ imports itself through other folders, type imports included', () => {
    expect(circlesOf(graphOf(internal.map(({ from, to }) => [rowOf(from), rowOf(to)])))).toEqual([])
  })

  test('are found with their path, and two paths to the same file are not a circle', () => {
    const tree = [
      ['a', 'b'],
      ['a', 'c'],
      ['b', 'd'],
      ['c', 'd'],
    ] as const
    expect(circlesOf(graphOf(tree))).toEqual([])
    expect(circlesOf(graphOf([...tree, ['d', 'a']]))).toEqual(['a → b → d → a', 'a → c → d → a'])
    expect(circlesOf(graphOf([...tree, ['d', 'c']]))).toEqual(['c → d → c'])
  })
})

describe('src/public', () => {
  /** The statements that are not `export { name } from`. */
  const otherStatements = (path: string, text: string) =>
    ts
      .createSourceFile(path, text, ts.ScriptTarget.Latest, true)
      .statements.filter(
        (statement) =>
          !(
            ts.isExportDeclaration(statement) &&
            statement.moduleSpecifier &&
            statement.exportClause &&
            ts.isNamedExports(statement.exportClause)
          ),
      )
      .map((statement) => statement.getText())

  test.each(entryPoints.map(({ source }) => source))('%s only re-exports names', (source) => {
    expect(otherStatements(source, read(source))).toEqual([])
  })

  test.each([
    "export * from '../errors.ts'",
    "export * as errors from '../errors.ts'",
    "import '../errors.ts'",
    'export const one = 1',
  ])('may not contain: %s', (statement) => {
    const text = `export { OrderSyncError } from '../errors.ts'\n`
    expect(otherStatements('index.ts', text)).toEqual([])
    expect(otherStatements('index.ts', text + statement)).toEqual([statement])
  })
})

describe('package.json', () => {
  const { name, dependencies, peerDependencies } = JSON.parse(read('package.json')) as {
    name: string
    dependencies: object
    peerDependencies: object
  }

  test('lists as dependencies the packages that src/ imports for more than types', () => {
    const external = imports.filter(({ to, typeOnly }) => !typeOnly && isExternal(to)).map(({ to }) => packageOf(to))
    // Users install the drivers of their database themselves.
    const notInstalled = [name, ...BUNDLED, ...Object.keys(peerDependencies)]
    const required = new Set(external.filter((found) => !notInstalled.includes(found)))
    expect([...required].sort()).toEqual(Object.keys(dependencies).sort())
  })

  test('does not list bundled packages as dependencies', () => {
    expect(BUNDLED.filter((bundled) => bundled in { ...dependencies, ...peerDependencies })).toEqual([])
  })
})
