import { verify } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { identifyLine } from '../../src/cli/bulk/identify.ts'
import { type Journal, openJournal } from '../../src/cli/bulk/journal.ts'
import type { Decision } from '../../src/cli/bulk/ledger.ts'
import { UsageError } from '../../src/cli/usage-error.ts'
import {
  createOrderSyncClient,
  createOrderSyncHandler,
  explainRequest,
  isOrderSyncError,
  memoryStore,
  type OrderInput,
  parsePrivateKey,
  parsePublicKey,
} from '../../src/public/index.ts'
import { validateOrder, validateResponse } from '../../src/public/messages.ts'
import { parseEncryptHeader, parseJson, parseSignatureHeader, parseTime } from '../../src/public/protocol.ts'
import { createTestReceiver } from '../../src/public/testing.ts'
import { gatewayRsa, merchantRsa, pem } from '../support/keys.ts'
import {
  CLIENT_ID,
  encryptedRequest,
  merchantCredentials,
  NOW,
  order,
  PATH,
  request,
  type TestRequest,
} from '../support/messages.ts'

/** One thing that takes input from a stranger. */
export interface Target {
  /** Valid inputs, which are then changed. */
  readonly seeds: readonly Uint8Array[]
  /** Throws when an invariant is broken. Resolves to how it ended, for the statistics. */
  readonly run: (input: Uint8Array) => Promise<string> | string
}

const bytes = (text: string) => Buffer.from(text)

/** A parser may refuse by an error of this package, and by nothing else. */
const parser = (seeds: readonly string[], parse: (text: string, raw: Uint8Array) => unknown): Target => ({
  seeds: seeds.map(bytes),
  run(input) {
    try {
      parse(Buffer.from(input).toString('utf8'), input)
      return 'accepted'
    } catch (error) {
      if (isOrderSyncError(error)) return error.code
      throw error
    }
  },
})

const SIGNED = request()
const ENCRYPTED = encryptedRequest()
const headerOf = ({ headers }: TestRequest, name: string) => String(headers[name] ?? '')

/** A request as text, in which each part can be changed: the first line, a header in each line, an empty line, the body. */
function toText({ method, path, headers, body }: TestRequest): Uint8Array {
  const lines = [`${method} ${path}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '', '']
  return Buffer.concat([Buffer.from(lines.join('\n'), 'latin1'), body])
}

function fromText(input: Uint8Array) {
  const text = Buffer.from(input)
  const end = text.indexOf('\n\n')
  const [first = '', ...lines] = text
    .subarray(0, end < 0 ? text.length : end)
    .toString('latin1')
    .split('\n')
  const [method = '', ...path] = first.split(' ')
  const headers = lines.map((line): [string, string] => {
    const [name = '', ...value] = line.split(': ')
    return [name, value.join(': ')]
  })
  return { method, path: path.join(' '), headers, body: end < 0 ? Buffer.alloc(0) : text.subarray(end + 2) }
}

/** The message as its receiver has it: the signature must be that of the sender over exactly these bytes. */
function isGenuine(
  { method, path, headers, body }: ReturnType<typeof fromText>,
  timeHeader: 'request-time' | 'response-time',
): boolean {
  const byName = new Map(headers.map(([name, value]) => [name.trim().toLowerCase(), value.trim()]))
  const time = byName.get(timeHeader) ?? ''
  // Every text in the header that may be the signature: the header can be written in more ways than one, and `+` arrives as a space.
  const candidates = (byName.get('signature') ?? '')
    .split(/[,"]+/)
    .map((pair) => pair.replace(/^\s*\w+\s*=\s*/, ''))
    .flatMap((text) => [text.replace(/\s+/g, ''), text.replaceAll(' ', '+')])
  const content = Buffer.concat([Buffer.from(`${method.toUpperCase()} ${path}\n${CLIENT_ID}.${time}.`), body])
  return candidates.some((text) => {
    try {
      return verify('sha256', content, gatewayRsa().publicKey, Buffer.from(decodeURIComponent(text), 'base64'))
    } catch {
      return false
    }
  })
}

const handler = createOrderSyncHandler({
  credentials: merchantCredentials(),
  now: () => NOW,
  store: memoryStore({ maxOrders: 1_000, maxRequests: 1_000 }),
  onOrder: ({ merchantBizNo }) => ({ orderId: merchantBizNo.slice(0, 10) }),
  onEvent: () => {},
})

const handlerTarget: Target = {
  seeds: [SIGNED, ENCRYPTED, request({ path: `${PATH}?a=1` })].map(toText),
  async run(input) {
    const received = fromText(input)
    const response = await handler(received)
    const { result } = JSON.parse(
      Buffer.from(response.body)
        .toString()
        .replace(/^(?!\{).*/s, '{"result":{"resultCode":"encrypted"}}'),
    ) as {
      result: { resultCode: string }
    }
    if (response.status >= 500) throw new Error(`HTTP ${response.status} for a fault of the peer`)
    const isSigned = Object.keys(response.headers).some((name) => name.toLowerCase() === 'signature')
    if (isSigned !== (response.status === 200)) throw new Error('signed and verified are not the same')
    if (response.status === 200 && !isGenuine(received, 'request-time'))
      throw new Error('a message that is not genuine was accepted')
    return `${response.status} ${result.resultCode}`
  },
}

// Responses name no request: a genuine one that was captured is accepted for a later request of the same time.
const AT = Date.now()
const receiver = createTestReceiver({
  credentials: {
    clientId: CLIENT_ID,
    privateKeys: { 1: gatewayRsa().privateKey },
    peerPublicKeys: { 1: merchantRsa().publicKey },
  },
})

function clientWith(fetch: typeof globalThis.fetch, encrypt: boolean) {
  const credentials = merchantCredentials()
  return createOrderSyncClient({
    ...{ credentials, encrypt, fetch, now: () => AT, retries: 0, environment: 'testing', onEvent: () => {} },
  })
}

async function captureResponse(encrypt: boolean): Promise<Uint8Array> {
  let captured: Uint8Array = new Uint8Array()
  const client = clientWith(async (...call) => {
    const response = await receiver.fetch(...call)
    const body = Buffer.from(await response.clone().arrayBuffer())
    const lines = [
      String(response.status),
      ...[...response.headers].map(([name, value]) => `${name}: ${value}`),
      '',
      '',
    ]
    captured = Buffer.concat([Buffer.from(lines.join('\n'), 'latin1'), body])
    return response
  }, encrypt)
  await client.syncOrder(order() as unknown as OrderInput)
  return captured
}

const clientTarget: Target = {
  seeds: [await captureResponse(false), await captureResponse(true)],
  async run(input) {
    const { method: status, headers, body } = fromText(input)
    const client = clientWith(async () => {
      const known = /^[2-5]\d\d$/.test(status) ? Number(status) : 200
      return new Response(body.length > 0 && known !== 204 && known !== 304 ? Buffer.from(body) : null, {
        status: known,
        headers,
      })
    }, false)
    try {
      await client.syncOrder(order() as unknown as OrderInput)
      const head = { method: 'POST', path: PATH, headers, body }
      if (!isGenuine(head, 'response-time')) throw new Error('a response that is not genuine was accepted')
      return 'accepted'
    } catch (error) {
      if (isOrderSyncError(error)) return error.code
      throw error
    }
  },
}

const KEYS = [merchantRsa(), gatewayRsa()].flatMap(({ privateKey, publicKey }) => [pem(privateKey), pem(publicKey)])
const CURL = `curl -X POST 'https://a.example${PATH}' ${Object.entries(SIGNED.headers)
  .map(([name, value]) => `-H '${name}: ${value}'`)
  .join(' ')} --data-raw '${Buffer.from(SIGNED.body).toString()}'`
const RAW = `POST ${PATH} HTTP/1.1\r\n${Object.entries(SIGNED.headers)
  .map(([name, value]) => `${name}: ${value}`)
  .join('\r\n')}\r\n\r\n${Buffer.from(SIGNED.body).toString()}`
const JSON_CAPTURE = JSON.stringify({
  method: 'POST',
  path: PATH,
  headers: SIGNED.headers,
  body: Buffer.from(SIGNED.body).toString(),
})
const HAR = JSON.stringify({
  request: {
    method: 'POST',
    url: `https://a.example${PATH}`,
    headers: Object.entries(SIGNED.headers).map(([name, value]) => ({ name, value })),
    postData: { text: Buffer.from(SIGNED.body).toString() },
  },
})

const JOURNAL_FOLDER = mkdtempSync(join(tmpdir(), 'fuzz-journal-'))
process.on('exit', () => rmSync(JOURNAL_FOLDER, { recursive: true }))
let journals = 0
const SALT = '0123456789abcdef'.repeat(2)
const ROUTE = { clientId: CLIENT_ID, destination: 'https://peer.example/orders' }
/** The note of the order that the resumed run sends. */
const NEXT = { line: 4, outcome: 'succeeded', ...identifyLine(SALT, bytes('next')) } as const
const JOURNAL = [
  { journal: 'alipayhk-order-sync send', version: 1, salt: SALT, ...ROUTE },
  { line: 1, outcome: 'succeeded', requestId: 'R-1', orderId: 'A-1', attempts: 1, check: '89abcdef' },
  { line: 2, outcome: 'undelivered', requestId: 'R-2', code: 'ERR_TIMEOUT', attempts: 3, check: '00000000' },
  { line: 3, outcome: 'refused', requestId: 'R-3', resultCode: 'PARAM_ILLEGAL', check: 'ffffffff' },
  { line: 2, outcome: 'succeeded', requestId: 'R-2', attempts: 1, check: '00000000' },
].map((entry) => JSON.stringify(entry))

/** The lines that end with a line feed and are not blank. */
const completeLines = (content: Uint8Array) =>
  Buffer.from(content)
    .toString()
    .split('\n')
    .slice(0, -1)
    .filter((text) => /[^ \t\r]/.test(text))

/** The decision on each line, by the complete lines of a journal alone. */
function decisionsIn(journal: Uint8Array): ReadonlyMap<number, { decision: Decision; check: number }> {
  const [, ...entries] = completeLines(journal).map(
    (text) => JSON.parse(text) as { line: number; outcome: Decision; check: string },
  )
  return new Map(
    entries
      .filter(({ outcome }) => outcome === 'succeeded' || outcome === 'refused')
      .map(({ line, outcome, check }) => [line, { decision: outcome, check: Number.parseInt(check, 16) }]),
  )
}

/** A journal that is refused must stay as it is. From any other, a run goes on: no decision is lost, and none is invented. */
const journalTarget: Target = {
  seeds: [`${JOURNAL.join('\n')}\n`, `${JOURNAL.join('\r\n')}\r\n`, JOURNAL.join('\n'), JOURNAL[0] ?? ''].map(bytes),
  async run(input) {
    const file = join(JOURNAL_FOLDER, `${journals++}.journal`)
    writeFileSync(file, input)
    try {
      return await resume(file, input)
    } finally {
      rmSync(file)
    }
  },
}

async function resume(file: string, input: Uint8Array): Promise<string> {
  const journal = await openJournal(file, ROUTE).catch((error: unknown) => {
    if (error instanceof UsageError) return undefined
    throw error
  })
  const kept = readFileSync(file)
  if (journal === undefined) {
    if (!kept.equals(input)) throw new Error('a journal that was refused has changed')
    return 'refused'
  }
  const isNew = !kept.equals(input.subarray(0, kept.length))
  if (isNew && completeLines(input).length > 0) throw new Error('a journal with a complete line was started anew')
  if (!isNew && completeLines(input.subarray(kept.length)).length > 0) throw new Error('a complete line was cut off')
  if (kept.at(-1) !== 10) throw new Error('the next note is written into a line that was cut off')
  const decisions = decisionsIn(kept)
  assertDecisions(journal, decisions)
  journal.write(NEXT)
  journal.close()
  const resumed = await openJournal(file, ROUTE)
  resumed.close()
  if (resumed.salt !== journal.salt) throw new Error('the salt has changed')
  const { line, check } = NEXT
  assertDecisions(resumed, new Map(decisions).set(line, { decision: NEXT.outcome, check }))
  return isNew ? 'started anew' : 'accepted'
}

function assertDecisions({ ledger }: Journal, decisions: ReturnType<typeof decisionsIn>): void {
  for (const line of new Set([1, 2, 3, 4, 5, ...decisions.keys()])) {
    const { decision, check = 0 } = decisions.get(line) ?? {}
    if (ledger.find(line, check) !== decision) throw new Error(`the decision on line ${line} is not ${decision}`)
  }
}

export const TARGETS: Readonly<Record<string, Target>> = {
  'signature-header': parser(
    [headerOf(SIGNED, 'Signature'), 'algorithm=ECC224,keyVersion=2,signature=AAAA', 'signature=A%2BA%3D'],
    parseSignatureHeader,
  ),
  'encrypt-header': parser([headerOf(ENCRYPTED, 'Encrypt'), 'algorithm=RSA_AES,symmetricKey=AAAA'], parseEncryptHeader),
  time: parser(
    ['2024-05-22T09:12:21+08:00', '2024-05-22T01:12:21Z', '2024-05-22T09:12:21.123+0800', '1716340341000'],
    (text) => parseTime(text),
  ),
  json: parser([Buffer.from(SIGNED.body).toString(), '{"a":[1,2.5e3,"\\u00e9",null,{"b":{}}]}'], (_text, raw) =>
    parseJson(raw),
  ),
  order: parser([Buffer.from(SIGNED.body).toString()], (_text, raw) => validateOrder(parseJson(raw))),
  response: parser(
    ['{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"},"orderId":"A-1"}'],
    (_text, raw) => validateResponse(parseJson(raw)),
  ),
  'private-key': parser(KEYS, (text) => parsePrivateKey(text)),
  'public-key': parser(KEYS, (text) => parsePublicKey(text)),
  explain: {
    seeds: [CURL, RAW, JSON_CAPTURE, HAR].map(bytes),
    async run(input) {
      try {
        const { verified } = await explainRequest(Buffer.from(input).toString(), merchantCredentials(), {
          now: () => NOW,
          maxTrials: 30,
        })
        return verified ? 'verified' : 'explained'
      } catch (error) {
        if (isOrderSyncError(error)) return error.code
        throw error
      }
    },
  },
  journal: journalTarget,
  handler: handlerTarget,
  client: clientTarget,
}
