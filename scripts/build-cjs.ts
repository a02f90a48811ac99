/**
 * Makes the CommonJS build from the ESM build in dist/, file by file, and lets both share their declarations:
 * - NAME.js → NAME.cjs. tsup makes CommonJS with sucrase, which replaces `?.` and class fields by slower helpers.
 * - NAME.d.ts → NAME.d.cts, and a NAME.d.ts that exports it: an ES module may import types of CommonJS. So the package has the
 *   text once, and a class of both builds has one type.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'
import { entryPoints } from './entry-points.ts'

const dist = fileURLToPath(new URL('../dist/', import.meta.url))
const files = readdirSync(dist, { recursive: true, encoding: 'utf8' })

/** Started by their path, as ES modules, from both builds. */
const ESM_ONLY = ['cli.js', 'unwrap-worker.js']

/** Relative imports, also in import() types: './chunk.js'. */
const RELATIVE_IMPORT = /(["'])(\.\.?\/[\w./-]+)\.js\1/g

for (const path of files.filter((path) => path.endsWith('.js') && !ESM_ONLY.includes(path))) {
  const esm = readFileSync(dist + path, 'utf8').replace(RELATIVE_IMPORT, '$1$2.cjs$1')
  const needsUrl = esm.includes('import.meta.url')
  const { code } = transformSync(esm, {
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    minifyWhitespace: true,
    minifySyntax: true,
    ...(needsUrl && {
      define: { 'import.meta.url': 'importMetaUrl' },
      banner: `const importMetaUrl=require('node:url').pathToFileURL(__filename).href;`,
    }),
  })
  writeFileSync(dist + path.replace(/\.js$/, '.cjs'), `"use strict";${code}`)
}

for (const path of files.filter((path) => path.endsWith('.d.ts'))) {
  const text = readFileSync(dist + path, 'utf8').replace(RELATIVE_IMPORT, '$1$2.cjs$1')
  rmSync(dist + path)
  writeFileSync(dist + path.replace(/\.d\.ts$/, '.d.cts'), text)
}
for (const { name } of entryPoints) {
  writeFileSync(`${dist}${name}.d.ts`, `export * from './${posix.basename(name)}.cjs'\n`)
}
