/**
 * Builds the page of the development console into one file, dist/console.html: no asset from outside. The server of the console
 * takes the hashes of its script and style sheet for the Content-Security-Policy.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../', import.meta.url))
/** The page is part of the tarball. */
const MAX_BYTES = 120_000

const { outputFiles } = await build({
  entryPoints: [`${root}src/console/page/main.tsx`],
  bundle: true,
  minify: true,
  write: false,
  outdir: 'unused',
  format: 'iife',
  platform: 'browser',
  target: ['chrome123', 'firefox120', 'safari17.5'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  define: { 'process.env.NODE_ENV': '"production"' },
  logLevel: 'warning',
  charset: 'utf8',
})
const textOf = (extension: string) => outputFiles.find(({ path }) => path.endsWith(extension))?.text.trim() ?? ''
const [script, style] = [textOf('.js'), textOf('.css')]
// Either would end the element early, and the hash would not fit.
if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style)) throw new Error('The page cannot be put into one file')
const html = readFileSync(`${root}src/console/page/page.html`, 'utf8')
  .replace('/*style*/', () => style)
  .replace('/*script*/', () => script)
if (Buffer.byteLength(html) > MAX_BYTES) throw new Error(`console.html has more than ${MAX_BYTES} bytes`)
writeFileSync(`${root}dist/console.html`, html)
