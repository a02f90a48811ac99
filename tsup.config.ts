import { defineConfig, type Options } from 'tsup'
import { entryPoints } from './scripts/entry-points.ts'

const shared: Options = {
  target: 'node20.19',
  outDir: 'dist',
  splitting: true,
  // The package is published in two formats and must stay small. Errors have a name, a code and a message of their own.
  minifyWhitespace: true,
  minifySyntax: true,
  minifyIdentifiers: true,
  // Keep the prefix `node:`: Deno requires it, and node:sqlite has no other name.
  removeNodeProtocol: false,
}

const entry = Object.fromEntries(entryPoints.map(({ name, source }) => [name, source]))

export default defineConfig([
  // Worker threads load this file by its path, from the ESM build and from the CJS build.
  { ...shared, entry: { 'unwrap-worker': 'src/crypto/unwrap-worker.ts' }, format: ['esm'], splitting: false },
  {
    ...shared,
    // All entry points are built together, so that they share their code: an error that `./protocol` throws is an
    // instance of the class that the root exports.
    entry: entry,
    // scripts/build-cjs.ts makes the CommonJS build of it.
    format: ['esm'],
    // tsup sets the deprecated option baseUrl for declarations; TypeScript 6 reports it without ignoreDeprecations.
    dts: { entry, compilerOptions: { ignoreDeprecations: '6.0' } },
  },
  // The command line imports the built package by its name, as a user does.
  { ...shared, entry: { cli: 'src/cli/main.ts' }, format: ['esm'], external: ['alipayhk-order-sync'] },
])
