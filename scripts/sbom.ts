/**
 * Writes the software bill of materials of a release, as CycloneDX: `npm run sbom [-- FILE]`. It has the run-time dependencies, as `npm sbom`
 * lists them from the lockfile, and the packages whose code is in dist/. The same commit gives the same file.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))

/** Packages whose code the build copies into dist/. Their licenses are in THIRD_PARTY_LICENSES.md. */
export const BUNDLED = ['preact', 'ts-pattern'] as const

interface Component {
  readonly 'bom-ref': string
  readonly type: 'library'
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly scope?: string
  readonly hashes: readonly { readonly alg: string; readonly content: string }[]
  readonly licenses: readonly { readonly license: { readonly id: string } }[]
  readonly properties?: readonly { readonly name: string; readonly value: string }[]
}

export interface Sbom {
  readonly bomFormat: 'CycloneDX'
  readonly specVersion: string
  readonly serialNumber: string
  readonly metadata: { readonly timestamp?: string; readonly component: Component }
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

interface Locked {
  readonly version: string
  readonly integrity: string
  readonly license: string
}

interface Lockfile {
  readonly packages: Readonly<Record<string, Locked>>
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(root + path, 'utf8'))

function bundledComponent(name: string): Component {
  const locked = (readJson('package-lock.json') as Lockfile).packages[`node_modules/${name}`]
  if (locked === undefined) throw new Error(`package-lock.json has no ${name}`)
  const { version, integrity, license } = locked
  return {
    'bom-ref': `${name}@${version}`,
    type: 'library',
    name,
    version,
    scope: 'required',
    purl: `pkg:npm/${name}@${version}`,
    properties: [{ name: 'alipayhk-order-sync:bundled', value: 'true' }],
    hashes: [{ alg: 'SHA-512', content: Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex') }],
    licenses: [{ license: { id: license } }],
  }
}

/** The time of the commit, without which the file would differ each time. */
function commitTime(): string | undefined {
  try {
    const time = execFileSync('git', ['log', '-1', '--format=%cI'], { cwd: root, encoding: 'utf8', timeout: 10_000 })
    return new Date(time.trim()).toISOString()
  } catch {
    return undefined
  }
}

/** A UUID (version 8, RFC 9562) that depends on the content only. */
function uuidOf(content: unknown): string {
  const hex = createHash('sha256').update(JSON.stringify(content)).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

export function createSbom(): Sbom {
  const args = [
    'sbom',
    '--sbom-format=cyclonedx',
    '--package-lock-only',
    '--omit=dev',
    '--omit=optional',
    '--omit=peer',
  ]
  const listed = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8', timeout: 60_000 })) as Sbom
  const { name } = readJson('package.json') as { name: string }
  const bundled = BUNDLED.map(bundledComponent)
  const timestamp = commitTime()
  const { timestamp: _, ...metadata } = listed.metadata
  const sbom = {
    ...listed,
    metadata: {
      ...(timestamp !== undefined && { timestamp }),
      ...metadata,
      // npm takes the name of the folder.
      component: { ...metadata.component, name },
    },
    components: [...listed.components, ...bundled],
    dependencies: [
      ...listed.dependencies.map(({ ref, dependsOn }) =>
        ref === metadata.component['bom-ref']
          ? { ref, dependsOn: [...dependsOn, ...bundled.map((component) => component['bom-ref'])] }
          : { ref, dependsOn },
      ),
      ...bundled.map((component) => ({ ref: component['bom-ref'], dependsOn: [] })),
    ],
  }
  return { ...sbom, serialNumber: `urn:uuid:${uuidOf({ ...sbom, serialNumber: '' })}` }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { name, version } = readJson('package.json') as { name: string; version: string }
  const file = process.argv[2] ?? `.cache/release/${name}-${version}.cdx.json`
  const sbom = createSbom()
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(sbom, undefined, 2)}\n`)
  console.log(`${file}: ${sbom.components.map((component) => component['bom-ref']).join(', ')}`)
}
