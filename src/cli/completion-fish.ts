import type { Command } from './command.ts'
import type { Option } from './option.ts'

/** The completion script for fish. */
export function renderFish(commands: readonly Command[]): string {
  return [
    '# Completion of alipayhk-order-sync for fish.',
    'complete -c alipayhk-order-sync -f',
    ...commands.flatMap(({ name, summary, options, argument }) => [
      complete('__fish_use_subcommand', `-a ${name} -d ${quote(summary)}`),
      ...Object.entries(options).map((entry) => complete(isIn(name), optionFlags(entry))),
      ...(argument?.choices
        ? Object.entries(argument.choices).map(([choice, help]) =>
            complete(isOnly(name, Object.keys(argument.choices ?? {})), `-a ${choice} -d ${quote(help)}`),
          )
        : []),
      ...(argument?.completes ? [complete(isIn(name), '-F')] : []),
      complete(isIn(name), `-l help -d 'show help'`),
    ]),
  ].join('\n')
}

const complete = (condition: string, rest: string) => `complete -c alipayhk-order-sync -n '${condition}' ${rest}`

const isIn = (command: string) => `__fish_seen_subcommand_from ${command}`

/** Only before the argument is given: otherwise fish would offer it again. */
const isOnly = (command: string, choices: readonly string[]) =>
  `${isIn(command)}; and not __fish_seen_subcommand_from ${choices.join(' ')}`

function optionFlags([name, { placeholder, help, choices, completes }]: [string, Option<unknown>]): string {
  const described = `-l ${name} -d ${quote(help)}`
  if (placeholder === undefined) return described
  if (choices) return `${described} -x -a '${choices.join(' ')}'`
  if (completes === 'folder') return `${described} -x -a '(__fish_complete_directories)'`
  return completes === 'file' ? `${described} -r -F` : `${described} -x`
}

const quote = (text: string) => `'${text.replace(/['\\]/g, String.raw`\$&`)}'`
