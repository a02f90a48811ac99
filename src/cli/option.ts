import { UsageError } from './usage-error.ts'

/** What an option takes. */
export interface ValueKind<Value> {
  /** The placeholder of the value in help: `FILE`. */
  readonly placeholder: string
  readonly help: string
  /** All values, if they are few. */
  readonly choices?: readonly string[]
  /** What shell completion offers. */
  readonly completes?: 'file' | 'folder'
  /** `label` is where the user gave the text: the option, or its environment variable. */
  readonly parse: (text: string, label: string) => Value
}

/** One option of a command. */
export interface Option<Value> extends Omit<ValueKind<Value>, 'placeholder'> {
  /** A flag has none. */
  readonly placeholder?: string | undefined
  readonly isRequired?: true
  readonly defaultText?: string
  /** The value when neither the option nor its variable is given. Throws if it is required. */
  readonly whenAbsent: (name: string, variable: string) => Value
}

/** The options of a command, by their names without dashes. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>

/** What `run` of a command receives. */
export type ValuesOf<Options extends OptionTable> = {
  readonly [Name in keyof Options]: Options[Name] extends Option<infer Value> ? Value : never
}

/** A value, and where the user gave it (option or environment variable), for error messages. */
export interface Named<Value> {
  readonly label: string
  readonly value: Value
}

/** An option that must be given. */
export function required<Value>(kind: ValueKind<Value>): Option<Value> {
  return {
    ...kind,
    isRequired: true,
    whenAbsent(name, variable) {
      throw new UsageError(`--${name} is missing. Give it, or set ${variable}.`)
    },
  }
}

/** An option that can be absent: its value is then undefined. */
export function optional<Value>(kind: ValueKind<Value>): Option<Value | undefined> {
  return { ...kind, whenAbsent: () => undefined }
}

/** An option with a default, written as the user would write it. */
export function withDefault<Value>(defaultText: string, kind: ValueKind<Value>): Option<Value> {
  return { ...kind, defaultText, whenAbsent: (name) => kind.parse(defaultText, `--${name}`) }
}

/** An option without a value: `--json`. `--no-json` overrides an environment variable. */
export function flag(help: string): Option<boolean> {
  return { help, parse: parseBoolean, whenAbsent: () => false }
}

/** Any text. */
export function text(placeholder: string, help: string): ValueKind<string> {
  return { placeholder, help, parse: (value) => value }
}

/** Any text, and where the user gave it. */
export function namedText(placeholder: string, help: string): ValueKind<Named<string>> {
  return { placeholder, help, parse: (value, label) => ({ label, value }) }
}

/** The path of a file. The environment variable of such an option ends in `_FILE`. */
export function file(help: string): ValueKind<Named<string>> {
  return { ...namedText('FILE', help), completes: 'file' }
}

/** The path of a folder. */
export function folder(help: string): ValueKind<string> {
  return { ...text('DIR', help), completes: 'folder' }
}

/** A whole number between two bounds, both inclusive. */
export function wholeNumber(
  placeholder: string,
  help: string,
  { min = 0, max }: { min?: number; max: number },
): ValueKind<number> {
  return {
    placeholder,
    help,
    parse(value, label) {
      const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
      if (number >= min && number <= max) return number
      throw new UsageError(`${label} must be a whole number from ${min} to ${max}.`)
    },
  }
}

/** One of a few texts. */
export function oneOf<const Choice extends string>(choices: readonly Choice[], help: string): ValueKind<Choice> {
  return {
    placeholder: choices.join('|'),
    help,
    choices,
    parse(value, label) {
      const choice = choices.find((allowed) => allowed === value)
      if (choice !== undefined) return choice
      throw new UsageError(`${label} must be ${listOf(choices)}.`)
    },
  }
}

/** `a, b or c`. */
function listOf(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

/**
 * The environment variable of an option: `ORDER_SYNC_CLIENT_ID` for `--client-id`. The variable of a file ends in `_FILE`, the
 * convention for secrets: a variable without `_FILE` would hold the key itself.
 */
export function variableOf(name: string, { completes }: Pick<Option<unknown>, 'completes'>): string {
  return `ORDER_SYNC_${name.toUpperCase().replaceAll('-', '_')}${completes === 'file' ? '_FILE' : ''}`
}

const BOOLEANS: Readonly<Record<string, boolean>> = { 1: true, true: true, 0: false, false: false }

function parseBoolean(value: string, label: string): boolean {
  const boolean = Object.hasOwn(BOOLEANS, value) ? BOOLEANS[value] : undefined
  if (boolean === undefined) throw new UsageError(`${label} must be 1, true, 0 or false.`)
  return boolean
}
