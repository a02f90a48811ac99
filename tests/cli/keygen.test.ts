import { createPrivateKey, createPublicKey } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeKey } from '../../src/public/index.ts'
import { cli, folderIn, temporaryFolder, writeTo } from '../support/cli.ts'

const folder = temporaryFolder()

test.each([
  [[], { algorithm: 'RSA256', bits: 2048 }],
  [['--algorithm', 'RSA256'], { algorithm: 'RSA256', bits: 2048 }],
  [['--algorithm', 'ECC224'], { algorithm: 'ECC224', bits: 224 }],
])('keygen writes a key pair: %j', async (options, expected) => {
  const out = join(folder, 'new', 'folders', `keys-${options.join('')}`)
  const { code, stdout, stderr } = await cli(['keygen', '--out', out, ...options])
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  const privatePem = readFileSync(join(out, 'private.pem'), 'utf8')
  const publicPem = readFileSync(join(out, 'public.pem'), 'utf8')
  expect(privatePem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
  expect(publicPem).toMatch(/^-----BEGIN PUBLIC KEY-----\n/)
  const { fingerprint } = describeKey(publicPem)
  expect(describeKey(privatePem)).toMatchObject({ kind: 'private', ...expected, fingerprint })
  expect(createPublicKey(createPrivateKey(privatePem)).equals(createPublicKey(publicPem))).toBe(true)
  expect(stderr).toContain(fingerprint)
  expect(stderr).not.toContain(privatePem.split('\n')[1])
  expect(readdirSync(out).sort()).toEqual(['private.pem', 'public.pem'])
})

test('keygen --format jwk writes a key pair as JWKs', async () => {
  const out = join(folder, 'jwk')
  const { code, stdout, stderr } = await cli(['keygen', '--out', out, '--format', 'jwk'])
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  expect(readdirSync(out).sort()).toEqual(['private.jwk', 'public.jwk'])
  const privateText = readFileSync(join(out, 'private.jwk'), 'utf8')
  const publicText = readFileSync(join(out, 'public.jwk'), 'utf8')
  const publicJwk = JSON.parse(publicText)
  expect(publicJwk).toStrictEqual({ kty: 'RSA', n: expect.any(String), e: 'AQAB' })
  const privateJwk = JSON.parse(privateText)
  expect(privateJwk).toMatchObject({ ...publicJwk, d: expect.any(String) })
  const { fingerprint, thumbprint } = describeKey(publicText)
  expect(describeKey(privateText)).toEqual({
    kind: 'private',
    algorithm: 'RSA256',
    bits: 2048,
    fingerprint,
    thumbprint,
  })
  expect(stderr).toContain(fingerprint)
  expect(stderr).toContain(`Its JWK thumbprint (RFC 7638): ${thumbprint}\n`)
  for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi']) expect(stderr + publicText).not.toContain(privateJwk[member])
  if (process.platform !== 'win32') expect(statSync(join(out, 'private.jwk')).mode & 0o777).toBe(0o600)
})

test('keygen --format pem writes PEM, and prints no thumbprint', async () => {
  const out = join(folder, 'pem')
  const { stderr } = await cli(['keygen', '--out', out, '--format', 'pem'])
  expect(readdirSync(out).sort()).toEqual(['private.pem', 'public.pem'])
  expect(stderr.trim().split('\n')).toHaveLength(3)
})

test.skipIf(process.platform === 'win32')('keygen makes the private key readable by its owner only', async () => {
  const out = join(folder, 'mode')
  await cli(['keygen', '--out', out])
  expect(statSync(join(out, 'private.pem')).mode & 0o777).toBe(0o600)
})

test.each([
  ['private.pem', (path: string) => writeTo(path, 'private.pem', 'existing')],
  ['public.pem', (path: string) => writeTo(path, 'public.pem', 'existing')],
  ['private.pem', (path: string) => symlinkSync('nowhere', join(path, 'private.pem'))],
])('keygen writes nothing when %s exists', async (name, createFile) => {
  const out = folderIn(folder)
  createFile(out)
  const { code, stdout, stderr } = await cli(['keygen', '--out', out])
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toBe(`${join(out, name)} exists already. Nothing was written. Give another folder with --out.\n`)
  expect(readdirSync(out)).toEqual([name])
  expect(existsSync(join(out, name)) && readFileSync(join(out, name), 'utf8')).toSatisfy(
    (content) => content === 'existing' || content === false,
  )
})

test.each([
  ['a missing --out', [], '--out is missing.'],
  ['an unknown algorithm', ['--out', join(folder, 'x'), '--algorithm', 'RSA'], '--algorithm must be'],
  ['a name of Object.prototype', ['--out', join(folder, 'x'), '--algorithm', 'toString'], '--algorithm must be'],
  ['an unknown format', ['--out', join(folder, 'x'), '--format', 'JWK'], '--format must be pem or jwk.'],
  ['a format of Object.prototype', ['--out', join(folder, 'x'), '--format', 'toString'], '--format must be'],
  [
    'a JWK of a curve without a name',
    ['--out', join(folder, 'x'), '--format', 'jwk', '--algorithm', 'ECC224'],
    '--format jwk needs --algorithm RSA256',
  ],
  ['an unknown option', ['--out', join(folder, 'x'), '--bits', '4096'], "Unknown option '--bits'"],
  ['an argument that is not an option', [join(folder, 'x')], 'This command takes options only'],
])('keygen rejects %s', async (_, args, message) => {
  const { code, stdout, stderr } = await cli(['keygen', ...args])
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect(existsSync(join(folder, 'x'))).toBe(false)
})

test('keygen prints the reason when it cannot write', async () => {
  const blockingFile = writeTo(folder, 'a-file', '')
  const { code, stderr } = await cli(['keygen', '--out', join(blockingFile, 'keys')])
  expect(code).toBe(64)
  expect(stderr).toBe(`The keys cannot be written to ${join(blockingFile, 'keys')}: not a directory.\n`)
})

test('keygen writes to an existing folder', async () => {
  const out = join(folder, 'existing')
  await mkdir(out)
  expect((await cli(['keygen', '--out', out])).code).toBe(0)
})
