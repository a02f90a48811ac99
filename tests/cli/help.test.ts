import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readArguments } from '../../src/cli/arguments.ts'
import { COMMANDS } from '../../src/cli/commands.ts'
import { renderHelp, renderOverview } from '../../src/cli/help.ts'
import { variableOf } from '../../src/cli/option.ts'
import { PLAIN, styleOf } from '../../src/cli/style.ts'

const COLORED = styleOf({ isTTY: true, hasColors: () => true })

/** The words of a command line as a shell splits them, up to a pipe. Knows no quotes. */
const wordsOf = (line: string) =>
  (line.replaceAll(' \\\n', ' ').split('alipayhk-order-sync ').at(-1) ?? '')
    .split(/ \||[)>]/)[0]
    ?.trim()
    .split(/\s+/) ?? []

test('the overview lists every command', () => {
  const overview = renderOverview(COMMANDS, PLAIN)
  for (const { name, summary } of COMMANDS) expect(overview).toMatch(new RegExp(`order-sync ${name} +${summary}`))
})

test('no two commands have the same name', () => {
  expect(new Set(COMMANDS.map(({ name }) => name)).size).toBe(COMMANDS.length)
})

describe.each(COMMANDS.map((command) => [command.name, command] as const))('help of %s', (name, command) => {
  const help = renderHelp(command, PLAIN)
  const flat = help.replace(/\s+/g, ' ')

  test('has each option with its default and its variable, and lines of at most 100 characters', () => {
    for (const [option, definition] of Object.entries(command.options)) {
      const { placeholder, help: text, defaultText } = definition
      const row = `--${option}${placeholder ? ` ${placeholder}` : ''} ${text}${defaultText === undefined ? '' : ` (default: ${defaultText})`} [${variableOf(option, definition)}]`
      expect(flat).toContain(row)
    }
    for (const line of help.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100)
  })

  test('has each choice of the argument and each exit status', () => {
    const statuses = Object.entries(command.exitStatuses ?? {})
    for (const [choice, text] of [...Object.entries(command.argument?.choices ?? {}), ...statuses]) {
      expect(flat).toContain(`${choice} ${text}`)
    }
    expect(flat).toContain('64 an error on this side')
  })

  test('has examples that the command accepts', () => {
    expect(command.examples.length).toBeGreaterThan(0)
    const shown = help.split('Examples\n').at(-1)?.split('\n\n') ?? []
    expect(shown.filter((block) => block.includes('alipayhk-order-sync'))).toHaveLength(command.examples.length)
    for (const example of shown.filter((block) => block.includes('alipayhk-order-sync'))) {
      const [first, ...args] = wordsOf(example)
      expect(first).toBe(name)
      expect(() => readArguments(command, args, {}), example).not.toThrow()
    }
  })

  test('reads the same in colour', () => {
    const colored = renderHelp(command, COLORED)
    expect(colored).not.toBe(help)
    expect(stripVTControlCharacters(colored)).toBe(help)
  })
})

test.each([
  ['a pipe', {}, false],
  ['a terminal with colours', { isTTY: true, hasColors: () => true }, true],
  ['a terminal without colours', { isTTY: true, hasColors: () => false }, false],
  ['a pipe that claims to have colours', { isTTY: false, hasColors: () => true }, false],
])('the style of %s', (_, stream, isColored) => {
  expect(styleOf(stream).error('x') !== 'x').toBe(isColored)
})
