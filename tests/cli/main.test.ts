import { expect, test } from 'vitest'
import { cli } from '../support/cli.ts'
import { read } from '../support/project.ts'

test.each([
  [['--help'], ['keygen', 'key', 'serve', 'send', 'explain']],
  [['-h'], ['keygen', 'serve', 'send']],
  [['help'], ['keygen', 'serve', 'send']],
  [
    ['keygen', '--help'],
    ['--out', '--algorithm', 'RSA256', 'ECC224'],
  ],
  [
    ['key', '--help'],
    ['--json', 'fingerprint', 'FILE|-'],
  ],
  [
    ['explain', '--help'],
    ['--direction', '--method', '--path', '--json', '--show-data', '--now', '64', 'bodyBase64'],
  ],
  [
    ['serve', '--help'],
    ['--client-id', '--private-key', '--peer-public-key', '--key-version', '--peer-key-version'].concat([
      '--port',
      '--host',
      '--path',
      '--clock-tolerance',
    ]),
  ],
  [
    ['send', '-h', '--client-id'],
    ['--url', '--client-id', '--private-key', '--encrypt', '--timeout', '--retries', 'FILE|-'],
  ],
])('%j prints help on standard output', async (args, expectedWords) => {
  const { code, stdout, stderr } = await cli(args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  for (const word of expectedWords) expect(stdout).toContain(word)
  expect(Math.max(...stdout.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(120)
})

test.each([['--version'], ['-v']])('%s prints the version of the package', async (option) => {
  const { version } = JSON.parse(read('package.json'))
  expect(await cli([option])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
})

test.each([
  [[], 'alipayhk-order-sync keygen'],
  [['toString'], 'No such command'],
  [['--serve'], 'No such command'],
])('prints an error and exits with 64 without a known command: %j', async (args, message) => {
  const { code, stdout, stderr } = await cli(args)
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain(message)
})
