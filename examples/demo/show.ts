import { styleText } from 'node:util'
import type { OrderSyncEvent } from 'alipayhk-order-sync'
import type { HttpMessage, RoundTrip } from './gateway.ts'
import type { Scenario } from './scenarios.ts'

// styleText() adds no colours when NO_COLOR is set or the output is not a terminal.
const bold = (text: string) => styleText('bold', text)
const faint = (text: string) => styleText('gray', text)
const cyan = (text: string) => styleText('cyan', text)
const magenta = (text: string) => styleText('magenta', text)
const green = (text: string) => styleText('green', text)
const red = (text: string) => styleText('red', text)

/** In characters. */
const LINE_WIDTH = 90

export function showIntroduction(url: string): void {
  console.log(`\n${bold('AlipayHK synchronises an order with a merchant, in six messages')}`)
  console.log(faint(`The merchant's server listens at ${url}. Each side has its own keys.`))
}

export function showScenario(number: number, { title, explanation }: Scenario): void {
  console.log(`\n${bold(`${number}. ${title}`)}\n   ${explanation}\n`)
}

export function showRoundTrip(roundTrip: RoundTrip, event: OrderSyncEvent | undefined, asExpected: boolean): void {
  const { request, response, resultCode, isSigned, orderId } = roundTrip
  showHttpMessage(cyan('→'), request)
  showHttpMessage(magenta('←'), response)
  const order = orderId === undefined ? '' : `: orderId ${orderId}`
  console.log(`\n   ${isSigned ? 'Verified response' : 'Unsigned response'}  ${bold(resultCode)}${order}`)
  console.log(`   At the merchant    ${bold(event?.kind ?? 'no event')}${describeEvent(event)}`)
  console.log(`   ${asExpected ? green('✓ as expected') : red('✗ not as expected')}`)
}

function describeEvent(event: OrderSyncEvent | undefined): string {
  if (event === undefined) return ''
  const { kind, code, message, order } = event
  if (kind === 'processed') return `: onOrder ran, ${order?.merchantBizNo} is now ${order?.orderStatus}`
  if (message === undefined) return ': onOrder did not run, the response comes from the store'
  const lines = wrap(message.split(/(?<= )/), LINE_WIDTH).map((line) => `\n     ${faint(line.trimEnd())}`)
  return `: ${code}${lines.join('')}`
}

const HEADERS = ['Client-Id', 'Content-Type', 'Request-Time', 'Response-Time', 'Signature', 'Encrypt']

function showHttpMessage(arrow: string, { start, headers, body }: HttpMessage): void {
  console.log(`   ${arrow} ${start}`)
  for (const name of HEADERS) {
    const value = headers.get(name)
    if (value !== null) console.log(`     ${faint(`${name}:`)} ${shorten(value)}`)
  }
  for (const line of formatBody(body)) console.log(`     ${line}`)
}

/** Shortens signatures and encrypted keys. */
function shorten(header: string): string {
  return header.replace(/(=[\w%+/-]{12})[\w%+/-]{40,}([\w%+/-]{8})$/, '$1…$2')
}

/** Breaks JSON between members, and cuts a ciphertext after its beginning. */
function formatBody(body: string): string[] {
  if (body.startsWith('{')) return wrap(body.split(/(?<=,)(?=")/), LINE_WIDTH)
  return [`${body.slice(0, 60)}…  ${faint(`${body.length} characters`)}`]
}

/** Joins pieces of text into lines of at most `width` characters, unless a single piece is longer. */
function wrap(pieces: readonly string[], width: number): string[] {
  const lines: string[] = []
  for (const piece of pieces) {
    const line = lines.at(-1)
    if (line === undefined || line.length + piece.length > width) lines.push(piece)
    else lines[lines.length - 1] = line + piece
  }
  return lines
}

export function showSummary(results: readonly { scenario: Scenario; asExpected: boolean }[]): void {
  console.log(`\n${bold('Summary')}`)
  for (const { scenario, asExpected } of results) {
    const { kind, resultCode } = scenario.expected
    const mark = asExpected ? green('✓') : red('✗')
    console.log(`   ${mark} ${scenario.title.padEnd(20)}${kind.padEnd(12)}${resultCode}`)
  }
  const correct = results.filter(({ asExpected }) => asExpected).length
  const summary = `${correct} of ${results.length} results are as expected.`
  console.log(`\n   ${correct === results.length ? green(summary) : red(summary)}\n`)
}
