import { writeFile } from 'node:fs/promises'
import process from 'node:process'
import {
  createSimulator,
  formatJUnitReport,
  formatReport,
  SCENARIOS,
  type ScenarioName,
} from 'alipayhk-order-sync/testing'
import { defineCommand } from './command.ts'
import { ENCRYPTION_OPTIONS, encryptionOf } from './encryption.ts'
import { describeFileError } from './files.ts'
import { IDENTITY_OPTIONS, readCredentials, readPrivateKey } from './identity.ts'
import { file, flag, oneOf, optional, required, text, type ValuesOf, wholeNumber, withDefault } from './option.ts'
import { print, printJson } from './output.ts'
import { UsageError } from './usage-error.ts'

const OPTIONS = {
  scenario: withDefault('smoke', oneOf(Object.keys(SCENARIOS) as ScenarioName[], 'what is sent')),
  url: required(text('URL', 'the endpoint: an origin, or a full URL')),
  ...IDENTITY_OPTIONS,
  'next-private-key': optional(file('a second private key, version 2; the scenario rotation signs with both')),
  seed: optional(wholeNumber('N', 'repeats the sequence and the delays of an earlier run', { max: 4_294_967_295 })),
  'signed-path': optional(text('PATH', 'the path to sign, if a proxy rewrites it')),
  'allow-insecure-url': flag('allow an http URL to another machine'),
  timeout: withDefault('10000', wholeNumber('MS', 'the time limit of each request', { min: 1, max: 3_600_000 })),
  ...ENCRYPTION_OPTIONS,
  json: flag('print the report as JSON'),
  junit: optional(file('write the report as JUnit XML to this file')),
}

const IDENTITY = '--client-id ID --private-key alipayhk/private.pem --peer-public-key merchant/public.pem'

export const simulate = defineCommand(
  {
    name: 'simulate',
    summary: 'test an endpoint: simulate AlipayHK, a bad network and attackers',
    description: `Tests an endpoint in any language. Sends what AlipayHK, a bad network and attackers can send, and reports which protocol rules the endpoint breaks. The endpoint must accept the public key of --private-key as AlipayHK's. Scenarios: ${Object.values(
      SCENARIOS,
    )
      .map(({ name, summary }) => `${name} (${summary})`)
      .join('; ')}.`,
    options: OPTIONS,
    exitStatuses: { 1: 'the endpoint breaks a rule' },
    examples: [
      {
        does: 'test an endpoint on this machine',
        line: `npx alipayhk-order-sync simulate --scenario smoke --url http://127.0.0.1:3000 ${IDENTITY}`,
      },
      {
        does: 'test duplicates, and write a report for a CI system',
        line: `npx alipayhk-order-sync simulate --scenario duplicates --junit report.xml --url http://127.0.0.1:3000 ${IDENTITY}`,
      },
    ],
  },
  async ({ values }) => {
    const simulator = createSimulator({
      url: values.url,
      credentials: await credentialsOf(values),
      signedPath: values['signed-path'],
      allowInsecureUrl: values['allow-insecure-url'],
      encryption: encryptionOf(values),
      timeoutMs: values.timeout,
    })
    const stop = new AbortController()
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop.abort())
    const report = await simulator.run(values.scenario, { seed: values.seed, signal: stop.signal })
    if (values.junit !== undefined) await writeReport(values.junit.value, formatJUnitReport(report))
    const color = process.stdout.isTTY === true && process.stdout.hasColors()
    const output = values.json ? printJson(report) : print(formatReport(report, { color }))
    // The exit status is the verdict, also when the reader closes the pipe early.
    await output.catch(() => {})
    return report.passed ? 0 : 1
  },
)

async function credentialsOf(values: ValuesOf<typeof OPTIONS>) {
  const credentials = await readCredentials(values)
  const next = values['next-private-key']
  if (next === undefined) return credentials
  return { ...credentials, privateKeys: { ...credentials.privateKeys, 2: await readPrivateKey(next) } }
}

async function writeReport(path: string, xml: string): Promise<void> {
  try {
    await writeFile(path, xml)
  } catch (error) {
    throw new UsageError(`--junit cannot be written: ${describeFileError(error)}.`)
  }
}
