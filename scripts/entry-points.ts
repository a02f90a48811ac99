import { readdirSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One entry point of the package. */
export interface EntryPoint {
  /** The file in `dist/`, without its extension: `index`, `stores/sqlite`. */
  readonly name: string
  /** What users import: `alipayhk-order-sync`, `alipayhk-order-sync/stores/sqlite`. */
  readonly specifier: string
  /** The key in the `exports` of package.json: `.`, `./stores/sqlite`. */
  readonly subpath: string
  /** The source file, relative to package.json. */
  readonly source: string
}

const folder = 'src/public/'

/**
 * The entry points of the package, one for each file in src/public, sorted by subpath. The build, the `exports` of
 * package.json and the tests use this list. Typedoc reads the same folder.
 */
export const entryPoints: readonly EntryPoint[] = readdirSync(fileURLToPath(new URL(`../${folder}`, import.meta.url)), {
  recursive: true,
  encoding: 'utf8',
})
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts'))
  .map((path) => path.slice(0, -'.ts'.length))
  .map((name) => {
    const subpath = name === 'index' ? '.' : `./${name}`
    return { name, specifier: posix.join('alipayhk-order-sync', subpath), subpath, source: `${folder}${name}.ts` }
  })
  .sort((a, b) => (a.subpath < b.subpath ? -1 : 1))
