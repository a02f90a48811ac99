/**
 * Says what is missing before a release. Exits with 1 until nothing is. docs/releasing.md has the steps around it.
 * Usage: npm run release:check
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import process from 'node:process'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly [member: string]: unknown
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest
const { name, version } = manifest

/** The output of a program, or undefined when it fails. */
function output(command: string, ...args: string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', timeout: 300_000 })
  return status === 0 ? stdout.trim() : undefined
}

function isUrl(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value.replace(/^git\+/, ''))
}

function urlOf(member: string): unknown {
  const value = manifest[member]
  return typeof value === 'object' && value !== null ? Reflect.get(value, 'url') : value
}

/** Each check: what must be true, and how to make it so. */
const checks: readonly [isTrue: () => boolean, rule: string, fix: string][] = [
  ...['repository', 'homepage', 'bugs'].map((member): [() => boolean, string, string] => [
    () => isUrl(urlOf(member)),
    `package.json has "${member}"`,
    `The owner adds it, as a URL. npm resolves the links of the README, and provenance, by "repository".`,
  ]),
  [
    () => typeof manifest['author'] === 'string' || typeof manifest['author'] === 'object',
    'package.json has "author"',
    'The owner adds a name, and an address.',
  ],
  [
    () => Reflect.get(Object(manifest['publishConfig']), 'provenance') === true,
    'package.json requires provenance',
    'Set "publishConfig": { "access": "public", "provenance": true }.',
  ],
  [() => output('git', 'status', '--porcelain') === '', 'the checkout is clean', 'Commit, or stash.'],
  [
    () =>
      new RegExp(`^## ${version.replaceAll('.', '\\.')} - \\d{4}-\\d\\d-\\d\\d$`, 'm').test(
        readFileSync('CHANGELOG.md', 'utf8'),
      ),
    `CHANGELOG.md has "## ${version} - YYYY-MM-DD"`,
    'Rename "Unreleased", with the date of the release.',
  ],
  [
    () => output('git', 'tag', '--points-at', 'HEAD')?.split('\n').includes(`v${version}`) === true,
    `the commit has the tag v${version}`,
    `git tag -s v${version} -m v${version}`,
  ],
  [
    () => !(JSON.parse(output('npm', 'view', name, 'versions', '--json') ?? '[]') as string[]).includes(version),
    `version ${version} is not published`,
    'npm version patch | minor | major --no-git-tag-version',
  ],
  [() => output('npm', 'run', 'build') !== undefined, 'the package can be built', 'npm run build'],
  [() => output('npm', 'run', 'check:generated') !== undefined, 'generated files are current', 'npm run generate'],
  [() => output('npm', 'run', 'sbom') !== undefined, 'the software bill of materials can be made', 'npm run sbom'],
  [checkPackage, 'publint and attw accept the tarball', 'npm pack, then npx publint and npx attw on it'],
]

function checkPackage(): boolean {
  const tarball = output('npm', 'pack', '--ignore-scripts', '--silent')?.split('\n').at(-1)
  if (tarball === undefined) return false
  try {
    const tools = [
      ['node_modules/publint/src/cli.js', '--strict', tarball],
      ['node_modules/@arethetypeswrong/cli/dist/index.js', tarball, '--profile', 'strict'],
    ]
    return tools.every((args) => output(process.execPath, ...args) !== undefined)
  } finally {
    rmSync(tarball, { force: true })
  }
}

const missing = checks.filter(([isTrue, rule]) => {
  const isDone = isTrue()
  console.log(`${isDone ? '✓' : '✗'} ${rule}`)
  return !isDone
})
for (const [, rule, fix] of missing) console.error(`\nNot yet: ${rule}.\n  ${fix}`)
if (missing.length > 0) process.exitCode = 1
else console.log(`\nReady: ${name} ${version}. Continue with docs/releasing.md, step 5.`)
