import { execFileSync, spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { CLI, cli } from '../support/cli.ts'

/** Only that of util-linux takes a command as an option. */
const hasScript = /util-linux/.test(String(spawnSync('script', ['--version']).stdout))

/** Runs the command on a terminal, and returns what it prints on both outputs. */
function onTerminal(args: string, environment: Record<string, string> = {}): string {
  // CI too: Node.js takes the terminal of an unknown CI service for one without colours.
  const { NO_COLOR: _, FORCE_COLOR: __, NODE_DISABLE_COLORS: ___, CI: ____, ...inherited } = process.env
  const command = `'${process.execPath}' '${CLI}' ${args}`
  return execFileSync('script', ['--quiet', '--command', command, '/dev/null'], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...inherited, TERM: 'xterm-256color', ...environment },
  })
}

const ESCAPE = '\u001b['

describe.skipIf(!hasScript)('on a terminal', () => {
  test('help and errors have colours', () => {
    expect(onTerminal('keygen --help')).toContain('\u001b[1mOptions\u001b[22m')
    expect(onTerminal('srve')).toBe('\u001b[31mNo such command. Did you mean serve?\u001b[39m\r\n')
  })

  test.each([{ NO_COLOR: '1' }, { TERM: 'dumb' }, { NODE_DISABLE_COLORS: '1' }])(
    '%j turns colours off',
    (environment) => {
      expect(onTerminal('keygen --help', environment)).not.toContain(ESCAPE)
      expect(onTerminal('srve', environment)).toBe('No such command. Did you mean serve?\r\n')
    },
  )

  test('a script for completion has no colours', () => {
    expect(onTerminal('completion bash')).not.toContain(ESCAPE)
  })
})

test.each([[['keygen', '--help']], [['srve']], [[]]])(
  'a pipe gets no colours, also with FORCE_COLOR: %j',
  async (args) => {
    const { stdout, stderr } = await cli(args, '', { FORCE_COLOR: '3', NO_COLOR: undefined })
    expect(stdout + stderr).not.toBe('')
    expect(stdout + stderr).not.toContain(ESCAPE)
  },
)
