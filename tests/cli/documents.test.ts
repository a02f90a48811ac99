import { describe, expect, test } from 'vitest'
import { readArguments } from '../../src/cli/arguments.ts'
import { COMMANDS } from '../../src/cli/commands.ts'
import { variableOf } from '../../src/cli/option.ts'
import { files, read } from '../support/project.ts'
import { thrownBy } from '../support/thrown.ts'

const guide = read('docs/command-line.md')

const options = COMMANDS.flatMap((command) => Object.entries(command.options))

/** The command lines in the shell blocks of a document, as words without quotes. */
function commandLines(document: string): string[][] {
  return [...document.matchAll(/^```sh\n(.*?)^```/gms)]
    .flatMap(([, block = '']) => block.replaceAll('\\\n', ' ').split('\n'))
    .flatMap((line) => /npx alipayhk-order-sync ([a-z].*?)(?: (?:#|2>|\|\|).*)?$/.exec(line)?.[1] ?? [])
    .map((line) =>
      line
        .trim()
        .split(/\s+/)
        .map((word) => word.replace(/^(["'])(.*)\1$/, '$2')),
    )
}

function parse([name = '', ...args]: readonly string[]) {
  const command = COMMANDS.find((known) => known.name === name)
  if (command === undefined) throw new Error(`There is no command ${name}`)
  return readArguments(command, args, {})
}

describe('docs/command-line.md', () => {
  test('lists every command with its summary', () => {
    const rows = [...guide.matchAll(/^\| `([a-z]+)` \| (.*) \|$/gm)].map(([, name, summary]) => ({ name, summary }))
    expect(rows).toEqual(COMMANDS.map(({ name, summary }) => ({ name, summary })))
  })

  test('names only options and variables that exist', () => {
    const named = [...guide.matchAll(/`--(?!help|no-)([a-z-]+)/g)].map(([, name]) => name)
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((name) => !options.some(([option]) => option === name))).toEqual([])
    const variables = [...guide.matchAll(/ORDER_SYNC_[A-Z_]+[A-Z]/g)].map(([name]) => name)
    expect(variables.length).toBeGreaterThan(5)
    expect(variables.filter((name) => !options.some(([option, kind]) => variableOf(option, kind) === name))).toEqual([])
  })
})

describe('command lines in documents', () => {
  const documents = ['README.md', ...files('docs', /\.md$/), 'examples/README.md']
  const lines = documents.flatMap((path) => commandLines(read(path)).map((words) => ({ path, words })))

  test('are found', () => {
    expect(lines.map(({ words }) => words[0])).toEqual(expect.arrayContaining(['keygen', 'serve', 'send', 'store']))
  })

  test.each(lines)('$path: $words', ({ words }) => {
    expect(() => parse(words)).not.toThrow()
  })

  test('are rejected when an option is misspelt', () => {
    const [words = []] = commandLines('```sh\nnpx alipayhk-order-sync keygen --uot keys # a comment\n```\n')
    expect(thrownBy(() => parse(words)).message).toContain('Did you mean --out?')
    expect(words).toEqual(['keygen', '--uot', 'keys'])
  })
})
