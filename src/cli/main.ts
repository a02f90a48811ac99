#!/usr/bin/env node
import { createRequire } from 'node:module'
import process from 'node:process'
import { didYouMean } from './arguments.ts'
import { COMMANDS } from './commands.ts'
import { describeFailure } from './failure.ts'
import { renderHelp, renderOverview } from './help.ts'
import { print, printToStderr } from './output.ts'
import { PLAIN, type Style, styleOf } from './style.ts'
import { suggest } from './suggest.ts'
import { UsageError } from './usage-error.ts'

async function main([name = '', ...args]: string[]): Promise<number> {
  try {
    return await run(name, args, styleOf(process.stdout))
  } catch (error) {
    const { lines, exitCode } = describeFailure(error)
    const { error: look } = styleOf(process.stderr)
    for (const [index, line] of lines.entries()) printToStderr(line, index === 0 ? look : undefined)
    return exitCode
  }
}

async function run(name: string, args: readonly string[], style: Style): Promise<number> {
  if (['--version', '-v'].includes(name)) return await printResult(readVersion())
  const isHelp = ['help', '--help', '-h'].includes(name)
  const [topic] = args
  if (isHelp && topic === undefined) return await printResult(renderOverview(COMMANDS, style))
  if (name === '') {
    printToStderr(renderOverview(COMMANDS, PLAIN))
    return 64
  }
  const command = commandOf(isHelp && topic !== undefined ? topic : name)
  if (isHelp || args.includes('--help') || args.includes('-h')) return await printResult(renderHelp(command, style))
  return await command.run(args, process.env)
}

function commandOf(name: string) {
  const command = COMMANDS.find((known) => known.name === name)
  if (command !== undefined) return command
  const names = COMMANDS.map((known) => known.name)
  const meant = /^[a-z-]{1,20}$/.test(name) ? suggest(name, names) : undefined
  throw new UsageError(`No such command.${didYouMean(meant) || ' Try: alipayhk-order-sync --help'}`)
}

async function printResult(text: string): Promise<number> {
  await print(text)
  return 0
}

function readVersion(): string {
  const { version } = createRequire(import.meta.url)('alipayhk-order-sync/package.json') as { version: string }
  return version
}

// Not process.exit(): it drops output that a pipe has not accepted yet.
process.exitCode = await main(process.argv.slice(2))
