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
])('writes a pair of keys: %j', async (options, expected) => {
  const out = join(folder, 'made', 'for', `it-${options.join('')}`)
  const { code, stdout, stderr } = await cli(['keygen', '--out', out, ...options])
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  const privatePem = readFileSync(join(out, 'private.pem'), 'utf8')
  const publicPem = readFileSync(join(out, 'public.pem'), 'utf8')
  expect(privatePem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
  expect(publicPem).toMatch(/^-----BEGIN PUBLIC KEY-----\n/)
  const { fingerprint } = describeKey(publicPem)
  expect(describeKey(privatePem)).toEqual({ kind: 'private', ...expected, fingerprint })
  expect(createPublicKey(createPrivateKey(privatePem)).equals(createPublicKey(publicPem))).toBe(true)
  expect(stderr).toContain(fingerprint)
  expect(stderr).not.toContain(privatePem.split('\n')[1])
  expect(readdirSync(out).sort()).toEqual(['private.pem', 'public.pem'])
})

test.skipIf(process.platform === 'win32')('the private key can be read by its owner alone', async () => {
  const out = join(folder, 'mode')
  await cli(['keygen', '--out', out])
  expect(statSync(join(out, 'private.pem')).mode & 0o777).toBe(0o600)
})

test.each([
  ['private.pem', (path: string) => writeTo(path, 'private.pem', 'mine')],
  ['public.pem', (path: string) => writeTo(path, 'public.pem', 'mine')],
  ['private.pem', (path: string) => symlinkSync('nowhere', join(path, 'private.pem'))],
])('overwrites nothing, and writes nothing, where there is a %s', async (name, put) => {
  const out = folderIn(folder)
  put(out)
  const { code, stdout, stderr } = await cli(['keygen', '--out', out])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toBe(`${join(out, name)} exists already, and is not overwritten. Nothing was written.\n`)
  expect(readdirSync(out)).toEqual([name])
  expect(existsSync(join(out, name)) && readFileSync(join(out, name), 'utf8')).toSatisfy(
    (content) => content === 'mine' || content === false,
  )
})

test.each([
  ['without --out', [], '--out is missing.'],
  ['an algorithm that is not known', ['--out', join(folder, 'x'), '--algorithm', 'RSA'], '--algorithm must be'],
  ['a name of Object.prototype', ['--out', join(folder, 'x'), '--algorithm', 'toString'], '--algorithm must be'],
  ['an option that is not known', ['--out', join(folder, 'x'), '--bits', '4096'], "Unknown option '--bits'"],
  ['an argument too many', [join(folder, 'x')], 'Options are all it takes'],
])('refuses %s', async (_, args, message) => {
  const { code, stdout, stderr } = await cli(['keygen', ...args])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect(existsSync(join(folder, 'x'))).toBe(false)
})

test('says why it cannot write', async () => {
  const inTheWay = writeTo(folder, 'a-file', '')
  const { code, stderr } = await cli(['keygen', '--out', join(inTheWay, 'keys')])
  expect(code).toBe(1)
  expect(stderr).toBe(`The keys cannot be written to ${join(inTheWay, 'keys')}: not a directory.\n`)
})

test('a folder that is there already is used', async () => {
  const out = join(folder, 'there')
  await mkdir(out)
  expect((await cli(['keygen', '--out', out])).code).toBe(0)
})
