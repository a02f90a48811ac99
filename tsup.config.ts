import { defineConfig } from 'tsup'

const shared = {
  target: 'node20.19',
  splitting: true,
  sourcemap: true,
  outDir: 'dist',
} as const

export default defineConfig([
  {
    ...shared,
    entry: { index: 'src/index.ts', node: 'src/adapters/node.ts', express: 'src/adapters/express.ts' },
    format: ['esm', 'cjs'],
    dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
    clean: true,
  },
])
