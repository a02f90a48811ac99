import type { Command } from './command.ts'
import type { Option } from './option.ts'

/** The completion script for Bash. Names of commands, options and choices have no characters that a shell interprets. */
export function renderBash(commands: readonly Command[]): string {
  return `# Completion of alipayhk-order-sync for Bash.
_alipayhk_order_sync() {
  local IFS=$'\\n' current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ${words(commands.map(({ name }) => name))} -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]} $previous" in
${commands.flatMap(valueCases).join('\n')}
  esac
  case "$current" in
    -*) case "\${COMP_WORDS[1]}" in
${commands.map(({ name, options }) => `      ${name}) ${suggest(optionNames(options))} ;;`).join('\n')}
    esac ;;
    *) case "\${COMP_WORDS[1]}" in
${commands.map(argumentCase).join('\n')}
    esac ;;
  esac
}
complete -F _alipayhk_order_sync alipayhk-order-sync`
}

function valueCases({ name, options }: Command): string[] {
  return Object.entries(options)
    .filter(([, { placeholder }]) => placeholder !== undefined)
    .map(([option, kind]) => `    '${name} --${option}') ${suggestionOf(kind)}return ;;`)
}

function suggestionOf({ choices, completes }: Pick<Option<unknown>, 'choices' | 'completes'>): string {
  if (choices !== undefined) return `${suggest(choices)}; `
  return completes === undefined ? '' : `${suggestFiles(completes)}; `
}

function argumentCase({ name, options, argument }: Command): string {
  if (argument?.completes !== undefined) return `      ${name}) ${suggestFiles(argument.completes)} ;;`
  const others = suggest(optionNames(options))
  if (argument?.choices === undefined) return `      ${name}) ${others} ;;`
  const choices = suggest(Object.keys(argument.choices))
  return `      ${name}) if [ "$COMP_CWORD" -eq 2 ]; then ${choices}; else ${others}; fi ;;`
}

const optionNames = (options: Command['options']) => [...Object.keys(options), 'help'].map((option) => `--${option}`)

const words = (names: readonly string[]) => `$'${names.join('\\n')}'`

const suggest = (names: readonly string[]) => `COMPREPLY=($(compgen -W ${words(names)} -- "$current"))`

/** compopt, for spaces in names of files, is missing in Bash 3.2 of macOS. */
const suggestFiles = (kind: 'file' | 'folder') =>
  `compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen ${kind === 'file' ? '-f' : '-d'} -- "$current"))`
