import { defineConfig, type Options } from 'tsup'

const shared: Options = {
  target: 'node20.19',
  outDir: 'dist',
  splitting: true,
  sourcemap: true,
  // Deno knows the built-in modules by their full names only, and some (node:sqlite) have no other.
  removeNodeProtocol: false,
  // For import.meta.url in CommonJS.
  shims: true,
}

const root = { index: 'src/public/index.ts' }

const entry = {
  node: 'src/adapters/node.ts',
  express: 'src/adapters/express.ts',
  koa: 'src/adapters/koa.ts',
  fastify: 'src/adapters/fastify.ts',
  'next-pages': 'src/adapters/next-pages.ts',
  lambda: 'src/adapters/lambda.ts',
  'stores/sqlite': 'src/stores/sqlite.ts',
  'stores/postgres': 'src/stores/postgres.ts',
  'stores/redis': 'src/stores/redis.ts',
  testing: 'src/testing/testing.ts',
}

export default defineConfig([
  // Threads load it by its file, whichever format they were started from.
  { ...shared, entry: { 'unwrap-worker': 'src/crypto/unwrap-worker.ts' }, format: ['esm'], splitting: false },
  // One file: each more takes a millisecond to find and load at start, and only a kilobyte would be shared with the others.
  { ...shared, entry: root, format: ['esm', 'cjs'], splitting: false },
  {
    ...shared,
    entry,
    format: ['esm', 'cjs'],
    // Of all entries at once, so that they share their types. For declarations tsup sets baseUrl, which TypeScript 6 warns of.
    dts: { entry: { ...root, ...entry }, compilerOptions: { ignoreDeprecations: '6.0' } },
  },
  // The command line runs on the built package, as a user would: it imports it by its name.
  { ...shared, entry: { cli: 'src/cli/main.ts' }, format: ['esm'], external: ['alipayhk-order-sync'] },
])
