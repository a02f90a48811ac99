import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readArguments, type Signature } from '../../src/cli/arguments.ts'
import {
  file,
  flag,
  oneOf,
  optional,
  required,
  text,
  variableOf,
  wholeNumber,
  withDefault,
} from '../../src/cli/option.ts'
import { thrownBy } from '../support/thrown.ts'

const OPTIONS = {
  'client-id': required(text('ID', 'an id')),
  'private-key': optional(file('a key')),
  port: withDefault('3000', wholeNumber('N', 'a port', { min: 1, max: 65_535 })),
  format: optional(oneOf(['pem', 'jwk'], 'a format')),
  json: flag('print JSON'),
}

const COMMAND = { name: 'try', options: OPTIONS }

const ARGUMENT = {
  placeholder: 'ACTION',
  whenMissing: 'try needs an action: migrate or prune.',
  whenRepeated: 'try takes one action.',
  choices: { migrate: '', prune: '' },
}

const values = (args: readonly string[], environment = {}) => readArguments(COMMAND, args, environment).values

/** The message of the error. */
const refusal = (args: readonly string[], environment = {}, signature: Signature<typeof OPTIONS> = COMMAND) =>
  thrownBy(() => readArguments(signature, args, environment))

const ID = ['--client-id', 'c-1']

describe('readArguments', () => {
  test('reads options, their defaults and their absence', () => {
    expect(values([...ID, '--json', '--format=jwk'])).toStrictEqual({
      'client-id': 'c-1',
      'private-key': undefined,
      port: 3000,
      format: 'jwk',
      json: true,
    })
  })

  test('reads an absent option from its variable, and prefers the option', () => {
    const environment = {
      ORDER_SYNC_CLIENT_ID: 'c-2',
      ORDER_SYNC_PRIVATE_KEY_FILE: 'key.pem',
      ORDER_SYNC_PORT: '1',
      ORDER_SYNC_FORMAT: 'pem',
      ORDER_SYNC_JSON: '1',
    }
    expect(values([], environment)).toStrictEqual({
      'client-id': 'c-2',
      'private-key': { label: 'ORDER_SYNC_PRIVATE_KEY_FILE', value: 'key.pem' },
      port: 1,
      format: 'pem',
      json: true,
    })
    const args = [...ID, '--private-key', 'a.pem', '--port', '2', '--format', 'jwk', '--no-json']
    expect(values(args, environment)).toStrictEqual({
      'client-id': 'c-1',
      'private-key': { label: '--private-key', value: 'a.pem' },
      port: 2,
      format: 'jwk',
      json: false,
    })
  })

  test('counts an empty variable as unset', () => {
    expect(values(ID, { ORDER_SYNC_PORT: '', ORDER_SYNC_JSON: '' })).toMatchObject({ port: 3000, json: false })
    expect(refusal([], { ORDER_SYNC_CLIENT_ID: '' })).toMatchObject({ name: 'UsageError' })
  })

  test.each([
    ['1', true],
    ['true', true],
    ['0', false],
    ['false', false],
  ])('reads %s as a flag', (ORDER_SYNC_JSON, json) => {
    expect(values(ID, { ORDER_SYNC_JSON })).toMatchObject({ json })
  })

  test('reads a value that begins with a dash, and the last value of a repeated option', () => {
    expect(values(['--client-id', '-a', '--client-id', '--b'])).toMatchObject({ 'client-id': '--b' })
  })

  test('reads the argument at any position', () => {
    const signature = { ...COMMAND, argument: ARGUMENT }
    for (const args of [
      ['prune', ...ID],
      [...ID, 'prune'],
      [...ID, '--', 'prune'],
    ]) {
      expect(readArguments(signature, args, {})).toMatchObject({ argument: 'prune', values: { 'client-id': 'c-1' } })
    }
  })

  test.each<[string, string[], Record<string, string>, string]>([
    ['a missing option', [], {}, '--client-id is missing. Give it, or set ORDER_SYNC_CLIENT_ID.'],
    ['an empty required option', ['--client-id', ''], { ORDER_SYNC_CLIENT_ID: 'c' }, '--client-id is missing. '],
    ['a misspelt option', ['--cleint-id', 'c'], {}, "Unknown option '--cleint-id'. Did you mean --client-id?"],
    ['an unknown option', ['--tls'], {}, "Unknown option '--tls'. See: alipayhk-order-sync try --help"],
    ['a short option', ['-p', '1'], {}, "Unknown option '-p'. See: alipayhk-order-sync try --help"],
    ['a name of Object.prototype', ['--constructor'], {}, "Unknown option '--constructor'. See"],
    ['a negated option that takes a value', ['--no-port'], {}, "Unknown option '--no-port'."],
    ['an option without its value at the end', ['--port'], {}, "Option '--port <value>' argument missing."],
    ['an option before another one', ['--port', '--json'], {}, "Option '--port <value>' argument missing."],
    ['a flag with a value', [...ID, '--json=1'], {}, '--json takes no value.'],
    ['a number out of range', [...ID, '--port', '0'], {}, '--port must be a whole number from 1 to 65535.'],
    ['a negative number', [...ID, '--port', '-1'], {}, '--port must be a whole number from 1 to 65535.'],
    ['a number of a variable', ID, { ORDER_SYNC_PORT: 'x' }, 'ORDER_SYNC_PORT must be a whole number from 1 to 65535.'],
    ['a choice', [...ID, '--format', 'PEM'], {}, '--format must be pem or jwk.'],
    ['a choice of Object.prototype', [...ID, '--format', 'toString'], {}, '--format must be pem or jwk.'],
    ['a flag of a variable', ID, { ORDER_SYNC_JSON: 'yes' }, 'ORDER_SYNC_JSON must be 1, true, 0 or false.'],
    ['an argument', [...ID, 'prune'], {}, 'This command takes options only. Remove the other arguments.'],
  ])('rejects %s', (_, args, environment, message) => {
    expect(refusal(args, environment)).toMatchObject({ name: 'UsageError', message: expect.stringContaining(message) })
  })

  test.each([
    ['no argument', [], 'try needs an action: migrate or prune.'],
    ['two arguments', ['prune', 'prune'], 'try takes one action.'],
    ['a misspelt argument', ['purne'], 'try needs an action: migrate or prune. Did you mean prune?'],
    ['an unknown argument', ['toString'], 'try needs an action: migrate or prune.'],
  ])('rejects %s', (_, args, message) => {
    expect(refusal([...ID, ...args], {}, { ...COMMAND, argument: ARGUMENT })).toMatchObject({
      name: 'UsageError',
      message,
    })
  })

  test('never quotes an argument that does not look like an option', () => {
    const key = 'MIIEvQIBADANBgkqhkiG9w0BAQEF'
    fc.assert(
      fc.property(
        fc.constantFrom('', '-', '--', '-----BEGIN PRIVATE KEY-----\n', '--private-key='),
        fc.constantFrom('--client-id', '--port', '--json', '--format', '--private-key', '--x', ''),
        (prefix, option) => {
          const error = refusal([option, `${prefix}${key}`, key].filter(Boolean))
          expect(error).toMatchObject({ name: 'UsageError' })
          expect(String(error)).not.toContain(key)
        },
      ),
    )
  })
})

test.each([
  ['client-id', {}, 'ORDER_SYNC_CLIENT_ID'],
  ['private-key', { completes: 'file' }, 'ORDER_SYNC_PRIVATE_KEY_FILE'],
  ['out', { completes: 'folder' }, 'ORDER_SYNC_OUT'],
] as const)('the variable of --%s is %s', (name, option, variable) => {
  expect(variableOf(name, option)).toBe(variable)
})
