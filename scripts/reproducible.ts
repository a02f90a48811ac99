/**
 * Checks that the tarball of npm depends on the sources only: `npm run reproducible`. Compares the package that is built in this folder with a second
 * build, in a temporary folder, with another time zone and language. The modes of files depend on the umask: it must be
 * the usual 022. Prints the hash that both have, or the files that differ.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { ensureBuilt } from './ensure-built.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
// In .cache, so that node_modules can be copied as hard links. Not as a symbolic link: the names of chunks depend on the paths of modules.
mkdirSync(join(root, '.cache'), { recursive: true })
const folder = mkdtempSync(join(root, '.cache/a second folder for the build '))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const output = (cwd: string, command: string, args: readonly string[], env: Record<string, string> = {}) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', timeout: 180_000, env: { ...process.env, ...env } })

const sha512 = (bytes: Uint8Array) => createHash('sha512').update(bytes).digest('base64')

/** Packs what was built in a folder: the hash of the tarball, and that of each file in it. */
function pack(cwd: string, to: string, env: Record<string, string> = {}) {
  mkdirSync(to)
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', to]
  const [packed] = JSON.parse(output(cwd, 'npm', args, env)) as [{ filename: string; files: { path: string }[] }]
  const files = packed.files.map(({ path }) => [path, sha512(readFileSync(join(cwd, path)))] as const)
  return { hash: sha512(readFileSync(join(to, packed.filename))), files: new Map(files) }
}

if (process.umask() !== 0o022) throw new Error('Set the usual umask first: umask 022')

ensureBuilt()
const first = pack(root, join(folder, 'first'))

const copy = join(folder, 'copy')
const sources = output(root, 'git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']).split('\0')
for (const path of sources.filter((path) => path !== '' && !path.startsWith('tests/'))) {
  mkdirSync(dirname(join(copy, path)), { recursive: true })
  cpSync(join(root, path), join(copy, path))
}
output(root, 'cp', ['-al', 'node_modules', join(copy, 'node_modules')])
const elsewhere = { TZ: 'Pacific/Kiritimati', LC_ALL: 'C', LANG: 'C' }
output(copy, 'npm', ['run', 'build'], elsewhere)
const second = pack(copy, join(folder, 'second'), elsewhere)

if (first.hash === second.hash) {
  console.log(`Two builds in two folders made the same tarball: sha512-${first.hash}`)
} else {
  const paths = new Set([...first.files.keys(), ...second.files.keys()])
  const different = [...paths].filter((path) => first.files.get(path) !== second.files.get(path))
  console.error(
    `Two builds made different tarballs. These files differ:\n${different.join('\n') || '(none: only the tarball)'}`,
  )
  process.exitCode = 1
}
