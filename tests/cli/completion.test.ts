import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { COMMANDS } from '../../src/cli/commands.ts'
import { cli, temporaryFolder, writeTo } from '../support/cli.ts'
import { root } from '../support/project.ts'

const folder = temporaryFolder()

const isInstalled = (shell: string) => spawnSync(shell, ['--version']).status === 0

/** Completes the last word of a command line, in a folder with `my key.pem` and `my folder`. */
const complete: Readonly<Record<string, (script: string, line: string) => string>> = {
  bash: (script, line) => {
    const words = line.split(' ')
    const code = `source ${script}
      COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}) COMP_CWORD=${words.length - 1}
      _alipayhk_order_sync
      printf '%s\\n' "\${COMPREPLY[@]}"`
    return run('bash', ['--norc', '-c', code])
  },
  zsh: (script, line) => run('zsh', ['-f', `${root}tests/cli/complete.zsh`, script, line]),
  fish: (script, line) => run('fish', ['--no-config', '-c', `source ${script}; complete -C '${line}'`]),
}

function run(program: string, args: string[]): string {
  return execFileSync(program, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

beforeAll(() => {
  writeTo(folder, 'my key.pem', '')
  mkdirSync(join(folder, 'my folder'))
})

const NAMES = COMMANDS.map(({ name }) => name)

describe.each(['bash', 'zsh', 'fish'])('completion %s', (shell) => {
  const place = () => join(folder, `${shell}.script`)

  beforeAll(async () => {
    const { code, stdout, stderr } = await cli(['completion', shell])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    writeTo(folder, `${shell}.script`, stdout)
  })

  test.skipIf(!isInstalled(shell)).each<[string, readonly string[], readonly string[]]>([
    ['', NAMES, ['--client-id', 'my key.pem']],
    ['ser', ['serve'], ['send']],
    ['keygen --', ['--out', '--algorithm', '--format', '--help'], ['--url', 'serve']],
    ['keygen --al', ['--algorithm'], ['--out']],
    ['keygen --algorithm ', ['RSA256', 'ECC224'], ['--out', 'my key.pem']],
    ['keygen --algorithm E', ['ECC224'], ['RSA256']],
    ['keygen --out ', ['my folder'], ['my key.pem']],
    ['serve --private-key ', ['my key.pem', 'my folder'], ['--client-id']],
    ['serve --port ', [], ['my key.pem', '--client-id']],
    ['send ', ['my key.pem'], ['serve']],
    ['store ', ['migrate', 'inspect', 'forget', 'prune'], ['serve']],
    ['store f', ['forget'], ['inspect']],
    ['store forget --c', ['--client-id'], ['forget']],
    ['completion ', ['bash', 'zsh', 'fish'], ['serve']],
    ['toString ', [], NAMES],
  ])('completes %j', (line, expected, others) => {
    const offered = complete[shell]?.(place(), `alipayhk-order-sync ${line}`)
      .split('\n')
      // fish appends the description, and a slash to folders.
      .map((word) => word.split('\t')[0]?.replace(/\/$/, '').replaceAll('\\', ''))
    for (const word of expected) expect(offered).toContain(word)
    for (const word of others) expect(offered).not.toContain(word)
  })
})

test.each([
  [[], 'completion needs a shell: bash, zsh or fish.'],
  [['powershell'], 'completion needs a shell: bash, zsh or fish.'],
  [['fihs'], 'completion needs a shell: bash, zsh or fish. Did you mean fish?'],
  [['bash', 'zsh'], 'completion takes one shell: bash, zsh or fish.'],
])('completion rejects %j', async (args, message) => {
  expect(await cli(['completion', ...args])).toEqual({ code: 64, stdout: '', stderr: `${message}\n` })
})
