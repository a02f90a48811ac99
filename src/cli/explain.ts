import { parseArgs } from 'node:util'
import { type CauseCode, type Explanation, explainRequest } from 'alipayhk-order-sync'
import { parseWholeNumber, UsageError } from './arguments.ts'
import { describeFailure } from './failure.ts'
import { readLimited } from './files.ts'
import { IDENTITY_HELP, IDENTITY_OPTIONS, readCredentials } from './identity.ts'
import { print, printJson, printToStderr } from './output.ts'

export const help = `alipayhk-order-sync explain --client-id ID --private-key FILE --peer-public-key FILE [OPTIONS] FILE|-

Explains a captured message: takes it apart, verifies it, and finds the change with which its signature verifies.
FILE, or standard input (-), is raw HTTP, a curl command, a HAR entry, or JSON:
{ "method", "path", "headers", "body" or "bodyBase64" }. Keys are never shown.

${IDENTITY_HELP}
  --direction NAME           request or response (default: what the capture shows)
  --method M                 the method that was signed; of a response, that of its request
  --path P                   the path that was signed; of a response, that of its request
  --encryption JSON          how messages are encrypted, such as '{"aesMode":"CBC"}'
  --now TIME                 when the message arrived, such as 2024-05-22T09:12:21+08:00 (default: now)
  --clock-tolerance N        how far the time may differ, in seconds (300)
  --show-data                show customer data: the signed text and the decrypted body as they are
  --json                     print the explanation as JSON

Exit status: 0 the message is accepted; 1 it is not, and the causes are printed, the most likely first; 2 it is not, and
no cause was found; 64 it is not a message, or the command is wrong.

Example: alipayhk-order-sync explain --client-id 4Q5Y8W0WSG45P907917 --private-key private.pem \\
           --peer-public-key alipayhk.pem request.http`

/** The largest capture: a body of 1 MiB, of which JSON writes each byte as six characters. */
const MAX_CAPTURE_BYTES = 8_388_608

/** Never rejects: every failure is a usage error of this command. */
export async function run(args: string[]): Promise<number> {
  try {
    return await explain(args)
  } catch (error) {
    for (const line of describeFailure(error).lines) printToStderr(line)
    return 64
  }
}

async function explain(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...IDENTITY_OPTIONS,
      direction: { type: 'string' },
      method: { type: 'string' },
      path: { type: 'string' },
      encryption: { type: 'string' },
      now: { type: 'string' },
      'clock-tolerance': { type: 'string', default: '300' },
      'show-data': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const [file, ...others] = positionals
  if (file === undefined) throw new UsageError('The file that holds the message is missing; - reads standard input.')
  if (others.length > 0)
    throw new UsageError('One message is explained at a time, and more than one argument was given.')
  const now = values.now === undefined ? undefined : parseNow(values.now)
  const explanation = await explainRequest(
    await readLimited('The message', file, MAX_CAPTURE_BYTES),
    await readCredentials(values),
    {
      direction: parseDirection(values.direction),
      method: values.method,
      path: values.path,
      encryption: parseEncryption(values.encryption),
      now: now === undefined ? undefined : () => now,
      clockToleranceSeconds: parseWholeNumber('--clock-tolerance', values['clock-tolerance'], { max: 1e12 }),
      showData: values['show-data'],
    },
  )
  // The exit status is the verdict, also when the reader closes the pipe early.
  await (values.json ? printJson(explanation) : print(toLines(explanation).join('\n'))).catch(() => {})
  if (explanation.verified) return 0
  return explanation.causes.length > 0 ? 1 : 2
}

function parseDirection(direction: string | undefined): 'request' | 'response' | undefined {
  if (direction === undefined || direction === 'request' || direction === 'response') return direction
  throw new UsageError('--direction must be request or response.')
}

function parseNow(text: string): number {
  const time = /^\d{13}$/.test(text) ? Number(text) : Date.parse(text)
  if (Number.isNaN(time)) throw new UsageError('--now must be a time, such as 2024-05-22T09:12:21+08:00.')
  return time
}

function parseEncryption(text: string | undefined): object | undefined {
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // The error of JSON.parse() quotes the text.
  }
  throw new UsageError(`--encryption must be a JSON object, such as '{"aesMode":"CBC"}'.`)
}

/** What each cause is called, where its code does not say it. */
const TITLES: { readonly [Code in CauseCode]?: string } = {
  'wrong-key-of-ours': 'signed with your own key',
  'plaintext-signed': 'the plaintext was signed',
}

/** The explanation for a person: first the verdict, then what to do, then the message taken apart. */
function toLines(explanation: Explanation): string[] {
  const { verified, causes, error, notes, issues } = explanation
  return [
    verdictOf(explanation),
    ...(error === undefined ? [] : [`  ${error.code}: ${error.message}`]),
    ...(causes.length === 0 ? [] : ['', causes.length > 1 ? 'Change all of this:' : 'Change this:']),
    ...causes.map(({ code, fix }, index) => `  ${index + 1}. ${TITLES[code] ?? code}: ${fix}`),
    ...(notes.length === 0 ? [] : ['', ...notes.map((note) => `  Note: ${note}`)]),
    '',
    ...partsOf(explanation),
    ...(issues.length === 0
      ? []
      : ['', verified ? 'The body breaks these rules:' : 'The body also breaks these rules:']),
    ...issues.map(({ pointer, expected }) => `  ${pointer === '' ? '(the body)' : pointer}: ${expected}`),
  ]
}

function verdictOf({ verified, causes, direction }: Explanation): string {
  if (verified) return `The ${direction} is accepted: its signature verifies, and its time is fresh.`
  return causes.length > 0
    ? `The ${direction} is not accepted.`
    : `The ${direction} is not accepted, and no known change makes its signature verify.`
}

function partsOf({
  direction,
  form,
  method,
  path,
  headers,
  time,
  signature,
  key,
  signed,
  body,
}: Explanation): string[] {
  const age = time?.ageSeconds
  const clock =
    age === undefined ? 'not a time' : age < 0 ? `${-age} s ahead of the clock` : `${age} s behind the clock`
  const forms = { http: 'raw HTTP', curl: 'a curl command', har: 'a HAR entry', json: 'JSON' }
  return [
    `Message    ${direction}, captured as ${forms[form]}: ${method} ${path}`,
    ...headers.map(({ name, value }, index) => `${index === 0 ? 'Headers    ' : '           '}${name}: ${value}`),
    ...(time === undefined ? [] : [`Time       ${time.header}, ${clock}${time.isFresh ? '' : ': not accepted'}`]),
    ...(signature === undefined ? [] : [`Signature  ${describeSignature(signature)}`]),
    ...(key === undefined
      ? []
      : [
          `Key        peerPublicKeys[${key.version}], ${key.algorithm}${key.fingerprint === undefined ? '' : `, fingerprint ${key.fingerprint}`}`,
        ]),
    `Body       ${body.bytes} bytes${body.isEncrypted ? ', encrypted' : ''}`,
    ...(body.plaintext === undefined ? [] : [`Decrypted  ${body.plaintext}`]),
    ...labelled('Signed     ', signed.expected),
    `           SHA-256 ${signed.sha256}`,
    ...(signed.found === undefined ? [] : labelled('By sender  ', signed.found)),
  ]
}

function describeSignature({ algorithm, keyVersion, bytes }: NonNullable<Explanation['signature']>): string {
  if (bytes === undefined) return 'cannot be read'
  return `${algorithm}, ${keyVersion === undefined ? 'no keyVersion' : `keyVersion ${keyVersion}`}, ${bytes} bytes`
}

/** The lines of the signed text, each with its visible line feed. */
function labelled(label: string, text: string): string[] {
  return text.split(/(?<=\u240a)/).map((line, index) => (index === 0 ? label : ' '.repeat(label.length)) + line)
}
