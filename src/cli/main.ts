#!/usr/bin/env node
import { createRequire } from 'node:module'
import process from 'node:process'
import * as explain from './explain.ts'
import { describeFailure } from './failure.ts'
import * as key from './key.ts'
import * as keygen from './keygen.ts'
import { print, printToStderr } from './output.ts'
import * as send from './send.ts'
import * as serve from './serve.ts'
import * as store from './store.ts'

/** `run` may resolve to the exit status. */
const COMMANDS: Readonly<Record<string, { help: string; run: (args: string[]) => Promise<unknown> }>> = {
  keygen,
  key,
  serve,
  send,
  store,
  explain,
}

const HELP = `AlipayHK's Synchronize Order API from the command line.

  alipayhk-order-sync keygen   generate a key pair
  alipayhk-order-sync key      show what is in a key file, without the key
  alipayhk-order-sync serve    receive orders and print each as a line of JSON
  alipayhk-order-sync send     send one order
  alipayhk-order-sync store    migrate a store, and inspect, forget or prune what it remembers
  alipayhk-order-sync explain  find out why the signature of a captured message fails

Add --help to a command to see its options.`

async function main([name = '', ...args]: string[]): Promise<number> {
  try {
    if (['help', '--help', '-h'].includes(name)) return await printResult(HELP)
    if (['--version', '-v'].includes(name)) return await printResult(readVersion())
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
    if (command === undefined) {
      printToStderr(name === '' ? HELP : 'No such command. Try: alipayhk-order-sync --help')
      return 1
    }
    if (args.includes('--help') || args.includes('-h')) return await printResult(command.help)
    const exitCode = await command.run(args)
    return typeof exitCode === 'number' ? exitCode : 0
  } catch (error) {
    const { lines, exitCode } = describeFailure(error)
    for (const line of lines) printToStderr(line)
    return exitCode
  }
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
