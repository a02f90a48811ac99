import { type CauseCode, type Explanation, explainRequest } from 'alipayhk-order-sync'
import { defineCommand } from './command.ts'
import { ENCRYPTION_OPTIONS, encryptionOf } from './encryption.ts'
import { readLimited } from './files.ts'
import { IDENTITY_OPTIONS, readCredentials } from './identity.ts'
import { flag, oneOf, optional, text, type ValueKind, type ValuesOf, wholeNumber, withDefault } from './option.ts'
import { print, printJson } from './output.ts'
import { UsageError } from './usage-error.ts'

/** The largest capture: JSON can write each byte of a 1 MiB body as six characters. */
const MAX_CAPTURE_BYTES = 8_388_608

/** A time, in milliseconds since the epoch. */
const time: ValueKind<number> = {
  ...text('TIME', 'when the message arrived, such as 2024-05-22T09:12:21+08:00; the current time if absent'),
  parse(value, label) {
    const instant = /^\d{13}$/.test(value) ? Number(value) : Date.parse(value)
    if (!Number.isNaN(instant)) return instant
    throw new UsageError(`${label} must be a time, such as 2024-05-22T09:12:21+08:00.`)
  },
}

const OPTIONS = {
  ...IDENTITY_OPTIONS,
  direction: optional(
    oneOf(['request', 'response'], 'whether the message is a request or a response, if the capture does not show it'),
  ),
  method: optional(text('M', 'the signed method; for a response, the method of its request')),
  path: optional(text('P', 'the signed path; for a response, the path of its request')),
  now: optional(time),
  'clock-tolerance': withDefault(
    '300',
    wholeNumber('SECONDS', 'how much the time of the message may differ from the clock', { max: 1e12 }),
  ),
  ...ENCRYPTION_OPTIONS,
  'show-data': flag('show customer data: the signed text and the decrypted body, unmasked'),
  json: flag('print the explanation as JSON'),
}

const IDENTITY = '--client-id ID --private-key merchant/private.pem --peer-public-key alipayhk/public.pem'

export const explain = defineCommand(
  {
    name: 'explain',
    summary: 'find out why the signature of a captured message fails',
    description:
      'Parses and verifies a captured message. If its signature fails, finds the change that makes it verify. FILE, or standard input (-), is raw HTTP, a curl command, a HAR entry, or JSON: { "method", "path", "headers", "body" or "bodyBase64" }. Keys are never shown.',
    options: OPTIONS,
    argument: {
      placeholder: 'FILE|-',
      whenMissing: 'The name of the message file is missing. Use - for standard input.',
      whenRepeated: 'Give one message. There is more than one argument.',
      completes: 'file',
    },
    exitStatuses: {
      1: 'the message is not accepted; prints the causes, most likely first',
      2: 'the message is not accepted, and no cause is found',
    },
    examples: [
      {
        does: 'explain a request that was captured as raw HTTP',
        line: `npx alipayhk-order-sync explain ${IDENTITY} request.http`,
      },
      {
        does: 'explain a response, and print JSON',
        line: `npx alipayhk-order-sync explain --direction response --path /orders --json ${IDENTITY} response.http`,
      },
    ],
  },
  async ({ values, argument }) => {
    const captured = await readLimited({ label: 'The message', value: argument }, MAX_CAPTURE_BYTES)
    const explanation = await explainRequest(captured, await readCredentials(values), optionsOf(values))
    const output = values.json ? printJson(explanation) : print(toLines(explanation).join('\n'))
    // The exit status is the verdict, also when the reader closes the pipe early.
    await output.catch(() => {})
    if (explanation.verified) return 0
    return explanation.causes.length > 0 ? 1 : 2
  },
)

function optionsOf(values: ValuesOf<typeof OPTIONS>): Parameters<typeof explainRequest>[2] {
  const { direction, method, path, now } = values
  return {
    ...{ direction, method, path },
    now: now === undefined ? undefined : () => now,
    clockToleranceSeconds: values['clock-tolerance'],
    encryption: encryptionOf(values),
    showData: values['show-data'],
  }
}

/** The title of a cause, if its code is not clear. */
const TITLES: { readonly [Code in CauseCode]?: string } = {
  'wrong-key-of-ours': 'signed with your own key',
  'plaintext-signed': 'the plaintext was signed',
}

/** The explanation as text: the verdict, then the fixes, then the parts of the message. */
function toLines(explanation: Explanation): string[] {
  const { verified, causes, error, notes, issues } = explanation
  return [
    verdictOf(explanation),
    ...(error === undefined ? [] : [`  ${error.code}: ${error.message}`]),
    ...(causes.length === 0 ? [] : ['', causes.length > 1 ? 'Make all of these changes:' : 'Change this:']),
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
