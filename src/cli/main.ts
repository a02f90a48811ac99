#!/usr/bin/env node
import { createRequire } from 'node:module'
import process from 'node:process'
import { describeFailure } from './failure.ts'
import * as keygen from './keygen.ts'
import { complain, print } from './output.ts'
import * as send from './send.ts'
import * as serve from './serve.ts'

const COMMANDS: Readonly<Record<string, { help: string; run: (args: string[]) => Promise<void> }>> = {
  keygen,
  serve,
  send,
}

const HELP = `AlipayHK's Synchronize Order API from the command line.

  alipayhk-order-sync keygen   make a key pair
  alipayhk-order-sync serve    receive orders, and print each as a line of JSON
  alipayhk-order-sync send     send one order

Add --help to a command for its options.`

async function main([name = '', ...args]: string[]): Promise<number> {
  try {
    if (['help', '--help', '-h'].includes(name)) return await done(HELP)
    if (['--version', '-v'].includes(name)) return await done(version())
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
    if (command === undefined) {
      complain(name === '' ? HELP : 'No such command. Try: alipayhk-order-sync --help')
      return 1
    }
    if (args.includes('--help') || args.includes('-h')) return await done(command.help)
    await command.run(args)
    return 0
  } catch (error) {
    const { lines, exitCode } = describeFailure(error)
    for (const line of lines) complain(line)
    return exitCode
  }
}

async function done(text: string): Promise<number> {
  await print(text)
  return 0
}

function version(): string {
  const { version } = createRequire(import.meta.url)('alipayhk-order-sync/package.json') as { version: string }
  return version
}

// Not process.exit(): that would cut off what is still on its way to a pipe.
process.exitCode = await main(process.argv.slice(2))
