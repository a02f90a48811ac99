import { existsSync, readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { BUNDLED, createSbom } from '../scripts/sbom.ts'
import { importsOf } from './support/imports.ts'
import { files, read, root } from './support/project.ts'

interface Locked {
  readonly version: string
  readonly license: string
  readonly integrity: string
  readonly hasInstallScript?: boolean
  readonly dev?: boolean
  readonly peer?: boolean
  readonly devOptional?: boolean
}

const manifest = JSON.parse(read('package.json'))
const lockfile = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }

/** What `npm install alipayhk-order-sync` adds, with the dependencies of dependencies. */
const installed = Object.entries(lockfile.packages)
  .filter(([path, { dev, peer, devOptional }]) => path !== '' && !dev && !peer && !devOptional)
  .map(([path]) => path.replace('node_modules/', ''))

const shipped = [...installed, ...BUNDLED]
const lockedAs = (name: string) => lockfile.packages[`node_modules/${name}`]

/** Licenses that only ask to be kept with the code. */
const PERMISSIVE = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD']

const licenseFile = (name: string) =>
  readdirSync(`${root}node_modules/${name}`).find((file) => /^licen[cs]e/i.test(file))

const words = (text: string) => text.replaceAll(/\s+/g, ' ').trim()

test('the run-time dependencies are those of package.json, and have no dependencies', () => {
  expect(installed.sort()).toEqual(Object.keys(manifest.dependencies).sort())
})

describe.each(shipped)('%s', (name) => {
  test('has a permissive license, and its text', () => {
    expect(PERMISSIVE).toContain(lockedAs(name)?.license)
    expect(licenseFile(name)).toBeDefined()
  })

  test('has no script that runs when it is installed', () => {
    const { scripts = {} } = JSON.parse(read(`node_modules/${name}/package.json`))
    expect(lockedAs(name)?.hasInstallScript).toBeUndefined()
    for (const script of ['preinstall', 'install', 'postinstall']) expect(scripts).not.toHaveProperty(script)
    expect(existsSync(`${root}node_modules/${name}/binding.gyp`)).toBe(false)
  })

  test('has a hash in the lockfile', () => {
    expect(lockedAs(name)?.integrity).toMatch(/^sha512-/)
  })
})

test('every package that src imports is a dependency, a peer dependency, or bundled', () => {
  const packages = files('src', /\.tsx?$/).flatMap((file) =>
    importsOf(file, read(file))
      .filter(({ to, typeOnly }) => !typeOnly && !/^(node:|src\/)/.test(to))
      .map(({ to }) =>
        to
          .split('/')
          .slice(0, to.startsWith('@') ? 2 : 1)
          .join('/'),
      ),
  )
  const known = [manifest.name, ...shipped, ...Object.keys(manifest.peerDependencies)]
  expect(packages).toContain('ts-pattern')
  expect([...new Set(packages)].filter((name) => !known.includes(name))).toEqual([])
})

test.each(BUNDLED)('THIRD_PARTY_LICENSES.md has the license of %s', (name) => {
  const license = read(`node_modules/${name}/${licenseFile(name)}`)
  expect(read('THIRD_PARTY_LICENSES.md')).toContain(`## ${name}\n`)
  expect(words(read('THIRD_PARTY_LICENSES.md'))).toContain(words(license))
})

test('a package is published with provenance', () => {
  expect(manifest.publishConfig).toEqual({ access: 'public', provenance: true })
})

describe('createSbom', () => {
  const sbom = createSbom()

  test('lists the package, with what it installs and what is bundled', () => {
    expect(sbom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.5' })
    expect(sbom.metadata.component).toMatchObject({ name: manifest.name, version: manifest.version })
    expect(sbom.components.map(({ name, version }) => ({ name, version }))).toEqual(
      shipped.map((name) => ({ name, version: lockedAs(name)?.version })),
    )
    for (const { purl, hashes, licenses } of sbom.components) {
      expect(purl).toMatch(/^pkg:npm\/[\w-]+@\d/)
      expect(hashes[0]?.content).toMatch(/^[0-9a-f]{128}$/)
      expect(licenses[0]?.license.id).toBe('MIT')
    }
  })

  test('refers to components that it has', () => {
    const refs = [sbom.metadata.component, ...sbom.components].map((component) => component['bom-ref'])
    expect(
      sbom.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]).filter((ref) => !refs.includes(ref)),
    ).toEqual([])
  })

  test('is the same each time', () => {
    expect(createSbom()).toEqual(sbom)
  })
})
