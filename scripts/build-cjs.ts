/**
 * Makes the CommonJS build from the ESM build in dist/, file by file, and lets both share their declarations:
 * - dist/NAME.js → dist/cjs/NAME.js. tsup makes CommonJS with sucrase, which replaces `?.` and class fields by slower helpers. The
 *   names are the same, because npm sorts the files of a tarball by their names: gzip then finds that a file and its twin are alike.
 * - dist/NAME.d.ts → dist/cjs/NAME.d.ts, and a dist/NAME.d.ts that exports it: an ES module may import types of CommonJS. So the
 *   package has the text once, and a class of both builds has one type.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'
import { entryPoints } from './entry-points.ts'

const dist = fileURLToPath(new URL('../dist/', import.meta.url))
const files = readdirSync(dist, { recursive: true, encoding: 'utf8' })

/** Started by their path, as ES modules, from both builds. */
const ESM_ONLY = ['cli.js', 'unwrap-worker.js']

function writeCjs(path: string, text: string): void {
  mkdirSync(dirname(`${dist}cjs/${path}`), { recursive: true })
  writeFileSync(`${dist}cjs/${path}`, text)
}

for (const path of files.filter((path) => path.endsWith('.js') && !ESM_ONLY.includes(path))) {
  const esm = readFileSync(dist + path, 'utf8')
  // Files beside the module, such as the worker, exist once: beside the ES module.
  const twin = posix.relative(posix.dirname(`cjs/${path}`), path)
  const { code } = transformSync(esm, {
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    minifyWhitespace: true,
    minifySyntax: true,
    ...(esm.includes('import.meta.url') && {
      define: { 'import.meta.url': 'importMetaUrl' },
      banner: `const importMetaUrl=require('node:url').pathToFileURL(require('node:path').join(__dirname,'${twin}')).href;`,
    }),
  })
  writeCjs(path, `"use strict";${code}`)
}

/** The example of a docblock. Those of index.d.ts stay: that is what people write first. The API reference has them all. */
const EXAMPLE = /\n( *)\* @example\n\1\* ```ts\n[\s\S]*?\n\1\* ```(?=\n)/g

for (const path of files.filter((path) => path.endsWith('.d.ts'))) {
  const text = readFileSync(dist + path, 'utf8')
  writeCjs(path, path === 'index.d.ts' ? text : text.replace(EXAMPLE, ''))
  rmSync(dist + path)
}
for (const { name } of entryPoints) {
  const twin = posix.relative(posix.dirname(name), `cjs/${name}`)
  writeFileSync(`${dist}${name}.d.ts`, `export * from './${twin}.js'\n`.replace('./../', '../'))
}
writeCjs('package.json', '{ "type": "commonjs" }\n')
