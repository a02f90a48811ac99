import { expect, test } from 'vitest'
import { describeKey } from '../../src/public/index.ts'
import { cli, writeTo } from '../support/cli.ts'
import { der, merchantEcc, merchantRsa, pem } from '../support/keys.ts'
import { folder, keyFile } from './identity.ts'

const { fingerprint, thumbprint } = describeKey(merchantRsa().publicKey)

test.each([
  ['private', keyFile('merchantRsa', 'privateKey')],
  ['public', keyFile('merchantRsa', 'publicKey')],
  ['private', writeTo(folder, 'key.der', der(merchantRsa().privateKey))],
  ['public', writeTo(folder, 'key.txt', Buffer.from(`\ufeff"${pem(merchantRsa().publicKey)}",`, 'utf16le'))],
])('key describes a %s key: %s', async (kind, file) => {
  expect(await cli(['key', file])).toEqual({
    code: 0,
    stdout: `kind         ${kind}\nalgorithm    RSA256\nbits         2048\nfingerprint  ${fingerprint}\nthumbprint   ${thumbprint}\n`,
    stderr: '',
  })
})

test('key --json prints JSON, and reads standard input', async () => {
  const { code, stdout } = await cli(['key', '--json', '-'], pem(merchantEcc().privateKey))
  const { fingerprint } = describeKey(merchantEcc().publicKey)
  expect({ code, value: JSON.parse(stdout) }).toEqual({
    code: 0,
    value: { kind: 'private', algorithm: 'ECC224', bits: 224, fingerprint },
  })
})

test.each([
  ['a word', 'changeme', 'key is a placeholder of an example; replace it with your key. (ERR_KEY_FORMAT)\n'],
  [
    'an object around the key',
    JSON.stringify({ key: pem(merchantRsa().privateKey) }),
    'key is a JSON object; pass its member "key". (ERR_KEY_FORMAT)\n',
  ],
  ['nothing', '', 'key is empty; set the environment variable or the secret. (ERR_KEY_FORMAT)\n'],
])('key exits with 1 and describes the input: %s', async (_, input, stderr) => {
  expect(await cli(['key', '-'], input)).toEqual({ code: 1, stdout: '', stderr })
})

test.each([
  ['no file', [], 'The name of the key file is missing'],
  ['two files', ['a', 'b'], 'more than one argument'],
  ['a missing file', ['no-such.pem'], 'The key no-such.pem cannot be read: no such file or directory.'],
  [
    'the key instead of its file',
    [pem(merchantRsa().privateKey)],
    'An argument starts with a dash but is not an option.',
  ],
  [
    'base64 instead of its file',
    [Buffer.from(der(merchantRsa().privateKey)).toString('base64')],
    'The key cannot be read',
  ],
  ['an unknown option', ['--jsn', '-'], "Unknown option '--jsn'"],
])('key exits with 64 for %s', async (_, args, message) => {
  const { code, stdout, stderr } = await cli(['key', ...args])
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr).not.toMatch(/MII|BEGIN/)
})

test('key exits with 64 for a file of more than 1 MiB', async () => {
  const { code, stderr } = await cli(['key', '-'], 'x'.repeat(1_048_577))
  expect({ code, stderr }).toEqual({ code: 64, stderr: 'The key is larger than 1048576 bytes.\n' })
})
