import type { Command, CommandDescription } from './command.ts'
import { type Option, variableOf } from './option.ts'
import type { Style } from './style.ts'

const PROGRAM = 'alipayhk-order-sync'

const WIDTH = 100

/** The list of commands. */
export function renderOverview(commands: readonly Command[], style: Style): string {
  return [
    `AlipayHK's Synchronize Order API from the command line.`,
    style.heading('Commands'),
    table(
      commands.map(({ name, summary }) => [`${PROGRAM} ${name}`, summary]),
      style,
    ),
    `Add --help to a command to see its options and examples. --version prints the version.`,
  ].join('\n\n')
}

/** The help of one command. */
export function renderHelp(command: CommandDescription, style: Style): string {
  const { options, argument, exitStatuses = {}, examples } = command
  const statuses = {
    0: 'success',
    ...exitStatuses,
    64: 'an error on this side, such as a wrong option or file',
  }
  const sections = [
    wrap(usageOf(command), WIDTH, '  ').join('\n'),
    ...command.description.split('\n\n').map((paragraph) => wrap(paragraph, WIDTH).join('\n')),
    ...(argument?.choices ? [style.heading(argument.placeholder), table(Object.entries(argument.choices), style)] : []),
    ...(Object.keys(options).length > 0
      ? [
          style.heading('Options'),
          table(
            Object.entries(options).map(([name, option]) => optionRow(name, option)),
            style,
          ),
          'If an option is absent, the environment variable in brackets is used.',
        ]
      : []),
    style.heading('Exit status'),
    table(Object.entries(statuses), style),
    style.heading('Examples'),
    examples.map(({ does, line }) => `  ${style.secondary(`# ${does}`)}\n${breakCommand(line)}`).join('\n\n'),
  ]
  return sections.join('\n\n')
}

function usageOf({ name, options, argument }: CommandDescription): string {
  const entries = Object.entries(options)
  const required = entries.filter(([, { isRequired }]) => isRequired)
  return [
    `${PROGRAM} ${name}`,
    ...(argument?.choices ? [argument.placeholder] : []),
    ...required.map(([option, { placeholder }]) => `--${option} ${placeholder}`),
    ...(entries.length > required.length ? ['[OPTIONS]'] : []),
    ...(argument && !argument.choices ? [argument.placeholder] : []),
  ].join(' ')
}

type Row = readonly [name: string, text: string, note?: string]

function optionRow(name: string, option: Option<unknown>): Row {
  const { placeholder, help, defaultText } = option
  const text = defaultText === undefined ? help : `${help} (default: ${defaultText})`
  return [`--${name}${placeholder ? ` ${placeholder}` : ''}`, text, `[${variableOf(name, option)}]`]
}

/** Two columns. A name that is too long for its column gets its own line, and so does a note that does not fit. */
function table(rows: readonly Row[], style: Style): string {
  const column = Math.min(30, Math.max(...rows.map(([name]) => name.length))) + 2
  const indent = ' '.repeat(column + 2)
  return rows
    .flatMap(([name, text, note]) => {
      const lines = wrap(text, WIDTH - indent.length)
      const last = lines.at(-1) ?? ''
      if (note !== undefined && indent.length + last.length + 1 + note.length <= WIDTH) {
        lines[lines.length - 1] = `${last} ${style.secondary(note)}`
      } else if (note !== undefined) lines.push(style.secondary(note))
      const first = name.length + 2 > column ? '' : lines.shift()
      return [
        `  ${style.name(name)}${first ? ' '.repeat(column - name.length) + first : ''}`,
        ...lines.map((line) => indent + line),
      ]
    })
    .join('\n')
}

/** Wraps a command line before an option or a pipe, so that it can be pasted into a shell. */
function breakCommand(line: string): string {
  const lines: string[] = []
  for (const part of line.split(/ (?=--|\|)/)) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + part.length < WIDTH - 4) lines[lines.length - 1] = `${last} ${part}`
    else lines.push(lines.length === 0 ? `  ${part}` : `    ${part}`)
  }
  return lines.join(' \\\n')
}

/** Wraps a text at spaces. */
function wrap(text: string, width: number, indent = ''): string[] {
  const lines: string[] = []
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(lines.length === 0 ? word : indent + word)
  }
  return lines
}
