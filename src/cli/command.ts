import { type Argument, type Arguments, type Environment, readArguments } from './arguments.ts'
import type { OptionTable } from './option.ts'

/** The description of a command, without its code. Help, completion and the parser read it. */
export interface CommandDescription<Options extends OptionTable = OptionTable> {
  readonly name: string
  /** For the list of commands. */
  readonly summary: string
  /** What it does, in sentences. */
  readonly description: string
  readonly options: Options
  readonly argument?: Argument
  /** The exit statuses besides 0 and 64, with their meaning. */
  readonly exitStatuses?: Readonly<Record<number, string>>
  readonly examples: readonly Example[]
}

/** A valid command line, and what it does. */
export interface Example {
  readonly does: string
  readonly line: string
}

/** A command whose option types are erased, so that commands fit in one list. */
export interface Command extends CommandDescription {
  /** Resolves to the exit status. */
  readonly run: (args: readonly string[], environment: Environment) => Promise<number>
}

/** Makes a command: reads its arguments before it runs. */
export function defineCommand<const Options extends OptionTable>(
  description: CommandDescription<Options>,
  run: (args: Arguments<Options>) => Promise<number>,
): Command {
  return { ...description, run: async (args, environment) => await run(readArguments(description, args, environment)) }
}
