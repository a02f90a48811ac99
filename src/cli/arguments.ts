import { parseArgs } from 'node:util'
import { type Option, type OptionTable, type ValuesOf, variableOf } from './option.ts'
import { suggest } from './suggest.ts'
import { UsageError } from './usage-error.ts'

/** The argument of a command that is not an option. */
export interface Argument {
  /** The placeholder in help: `FILE|-`. */
  readonly placeholder: string
  /** Printed if the argument is missing or not one of the choices. Names the choices. */
  readonly whenMissing: string
  /** Printed if there are two arguments. */
  readonly whenRepeated: string
  /** All values, if they are few, each with its help. */
  readonly choices?: Readonly<Record<string, string>>
  readonly completes?: 'file'
}

/** What a command takes. */
export interface Signature<Options extends OptionTable> {
  readonly name: string
  readonly options: Options
  readonly argument?: Argument | undefined
}

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The values of all options, and the argument, or an empty text if the command takes none. */
export interface Arguments<Options extends OptionTable> {
  readonly values: ValuesOf<Options>
  readonly argument: string
}

/**
 * Reads the arguments of a command. An option that is not given is read from its environment variable. An empty variable
 * counts as unset.
 *
 * @throws {@link UsageError} Never quotes a value: it may be a key.
 */
export function readArguments<Options extends OptionTable>(
  signature: Signature<Options>,
  args: readonly string[],
  environment: Environment,
): Arguments<Options> {
  const { given, positionals } = splitArguments(signature, args)
  const argument = readArgument(signature.argument, positionals)
  const values: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(signature.options)) {
    values[name] = readOption(name, option, given.get(name), environment)
  }
  return { values: values as ValuesOf<Options>, argument }
}

function readOption(
  name: string,
  option: Option<unknown>,
  given: string | undefined,
  environment: Environment,
): unknown {
  const variable = variableOf(name, option)
  if (given !== undefined && !(given === '' && option.isRequired)) return option.parse(given, `--${name}`)
  const inherited = environment[variable] ?? ''
  if (given === undefined && inherited !== '') return option.parse(inherited, variable)
  return option.whenAbsent(name, variable)
}

function readArgument(argument: Argument | undefined, [value, ...others]: readonly string[]): string {
  // Do not quote the arguments: they may be a key that the shell has split.
  if (argument === undefined) {
    if (value === undefined) return ''
    throw new UsageError('This command takes options only. Remove the other arguments.')
  }
  if (value === undefined) throw new UsageError(argument.whenMissing)
  if (others.length > 0) throw new UsageError(argument.whenRepeated)
  const { choices } = argument
  if (choices === undefined || Object.hasOwn(choices, value)) return value
  throw new UsageError(argument.whenMissing + didYouMean(suggest(value, Object.keys(choices))))
}

/** The options by name, as text, and the other arguments. If an option is given twice, the last one counts. */
function splitArguments({ name, options }: Signature<OptionTable>, args: readonly string[]) {
  const { tokens } = parseArgs({
    args: [...args],
    // Otherwise the error quotes the input, and a value cannot begin with a dash.
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(options).map(([key, { placeholder }]) => [
        key,
        { type: placeholder === undefined ? 'boolean' : 'string' },
      ]),
    ),
  })
  const given = new Map<string, string>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const found = findOption(token.rawName, options)
    if (found === undefined) throw new UsageError(describeUnknown(token.rawName, name, Object.keys(options)))
    given.set(found.name, found.option.placeholder === undefined ? flagText(token, found) : valueText(token, options))
  }
  return { given, positionals }
}

interface FoundOption {
  readonly name: string
  readonly option: Option<unknown>
  /** `--no-NAME`. */
  readonly isNegative: boolean
}

function findOption(rawName: string, options: OptionTable): FoundOption | undefined {
  const [, negation = '', flagName = ''] = /^--(no-)?(.*)$/.exec(rawName) ?? []
  const name = negation + flagName
  const option = Object.hasOwn(options, name) ? options[name] : undefined
  if (option !== undefined) return { name, option, isNegative: false }
  const negated = negation !== '' && Object.hasOwn(options, flagName) ? options[flagName] : undefined
  // Only a flag can be negated.
  if (negated === undefined || negated.placeholder !== undefined) return undefined
  return { name: flagName, option: negated, isNegative: true }
}

interface OptionToken {
  readonly rawName: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

function flagText({ rawName, value }: OptionToken, { isNegative }: FoundOption): string {
  if (value !== undefined) throw new UsageError(`${rawName} takes no value.`)
  return String(!isNegative)
}

function valueText({ rawName, value, inlineValue }: OptionToken, options: OptionTable): string {
  // `--url --encrypt`: the value was forgotten. Another value may begin with a dash, as an orderKey does.
  const isOption =
    !inlineValue && value?.startsWith('--') && findOption(value.split('=')[0] ?? '', options) !== undefined
  if (value === undefined || isOption) throw new UsageError(`Option '${rawName} <value>' argument missing.`)
  return value
}

/** Quotes only what looks like an option: users paste a key where its file belongs, and PEM begins with a dash. */
function describeUnknown(rawName: string, command: string, known: readonly string[]): string {
  if (!/^--?[a-z][a-z-]{0,30}$/.test(rawName)) return 'An argument starts with a dash but is not an option.'
  const meant = suggest(rawName.replace(/^-+/, ''), known)
  const help = meant === undefined ? ` See: alipayhk-order-sync ${command} --help` : didYouMean(`--${meant}`)
  return `Unknown option '${rawName}'.${help}`
}

/** A sentence to append to an error. */
export function didYouMean(name: string | undefined): string {
  return name === undefined ? '' : ` Did you mean ${name}?`
}
