import { defineConfig, type Options } from 'tsup'
import { entryPoints } from './scripts/entry-points.ts'

const shared: Options = {
  target: 'node20.19',
  outDir: 'dist',
  splitting: true,
  sourcemap: true,
  // Keep the prefix `node:`: Deno requires it, and node:sqlite has no other name.
  removeNodeProtocol: false,
  // Replaces import.meta.url in CommonJS.
  shims: true,
}

const { index, ...others } = Object.fromEntries(entryPoints.map(({ name, source }) => [name, source]))
if (index === undefined) throw new Error('src/public/index.ts is missing')

export default defineConfig([
  // Worker threads load this file by its path, from the ESM build and from the CJS build.
  { ...shared, entry: { 'unwrap-worker': 'src/crypto/unwrap-worker.ts' }, format: ['esm'], splitting: false },
  // The main entry point is one file: each extra file costs a millisecond at start, and little code would be shared.
  { ...shared, entry: { index }, format: ['esm', 'cjs'], splitting: false },
  {
    ...shared,
    entry: others,
    format: ['esm', 'cjs'],
    // The declarations of all entry points are built together, so that they share their types.
    // tsup sets the deprecated option baseUrl for declarations; TypeScript 6 reports it without ignoreDeprecations.
    dts: { entry: { index, ...others }, compilerOptions: { ignoreDeprecations: '6.0' } },
  },
  // The command line imports the built package by its name, as a user does.
  { ...shared, entry: { cli: 'src/cli/main.ts' }, format: ['esm'], external: ['alipayhk-order-sync'] },
])
