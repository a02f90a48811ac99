import type { Command } from './command.ts'
import type { Option } from './option.ts'

/** The completion script for Zsh. It can be sourced, or stored as `_alipayhk-order-sync` in a folder of `fpath`. */
export function renderZsh(commands: readonly Command[]): string {
  return `#compdef alipayhk-order-sync
_alipayhk_order_sync() {
  local -a commands=(
${commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe -t commands command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${commands.map(commandCase).join('\n')}
  esac
}
if [ "$funcstack[1]" = _alipayhk-order-sync ]; then
  _alipayhk_order_sync "$@"
else
  compdef _alipayhk_order_sync alipayhk-order-sync
fi`
}

function commandCase({ name, options, argument }: Command): string {
  const specs = Object.entries(options).map(optionSpec)
  if (argument?.choices)
    specs.push(quote(`1:${escapeMessage(argument.placeholder)}:(${Object.keys(argument.choices).join(' ')})`))
  if (argument?.completes) specs.push(quote(`1:${escapeMessage(argument.placeholder)}:_files`))
  return `    ${name}) _arguments ${[...specs, quote('--help[show help]')].join(' ')} ;;`
}

function optionSpec([name, { placeholder, help, choices, completes }]: [string, Option<unknown>]): string {
  const described = `--${name}[${escapeMessage(help)}]`
  if (placeholder === undefined) return quote(described)
  const value = choices ? `(${choices.join(' ')})` : completes && { file: '_files', folder: '_files -/' }[completes]
  return quote(`${described}:${escapeMessage(placeholder)}:${value ?? ''}`)
}

/** For a message inside a specification of _arguments. */
const escapeMessage = (text: string) => text.replace(/[[\]:\\]/g, String.raw`\$&`)

const quote = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`
