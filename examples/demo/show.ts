import { styleText } from 'node:util'
import type { OrderSyncEvent } from 'alipayhk-order-sync'
import type { Exchange, Wire } from './gateway.ts'
import type { Scene } from './story.ts'

// Each leaves the text alone where colours are not wanted: NO_COLOR is set, or nobody sits at the other end.
const bold = (text: string) => styleText('bold', text)
const faint = (text: string) => styleText('gray', text)
const cyan = (text: string) => styleText('cyan', text)
const magenta = (text: string) => styleText('magenta', text)
const green = (text: string) => styleText('green', text)
const red = (text: string) => styleText('red', text)

const WIDTH = 90

export function showOpening(url: string): void {
  console.log(`\n${bold('AlipayHK synchronises an order with a merchant, in six messages')}`)
  console.log(faint(`The merchant's server is up at ${url}. Each side has keys of its own.`))
}

export function showScene(number: number, { title, says }: Scene): void {
  console.log(`\n${bold(`${number}. ${title}`)}\n   ${says}\n`)
}

export function showExchange(exchange: Exchange, event: OrderSyncEvent | undefined, asExpected: boolean): void {
  const { sent, received, resultCode, orderId } = exchange
  showWire(cyan('→'), sent)
  showWire(magenta('←'), received)
  const answer = orderId === undefined ? '' : `: orderId ${orderId}`
  console.log(`\n   Answer, verified  ${bold(resultCode)}${answer}`)
  console.log(`   At the merchant   ${bold(event?.kind ?? 'nothing happened')}${explanation(event)}`)
  console.log(`   ${asExpected ? green('✓ as it should be') : red('✗ not as it should be')}`)
}

function explanation(event: OrderSyncEvent | undefined): string {
  if (event === undefined) return ''
  const { kind, code, message, order } = event
  if (kind === 'processed') return `: onOrder ran, ${order?.merchantBizNo} is now ${order?.orderStatus}`
  if (message === undefined) return ': onOrder did not run, the answer is the remembered one'
  const words = wrapped(message.split(/(?<= )/), WIDTH).map((line) => `\n     ${faint(line.trimEnd())}`)
  return `: ${code}${words.join('')}`
}

const HEADERS = ['Client-Id', 'Content-Type', 'Request-Time', 'Response-Time', 'Signature', 'Encrypt']

function showWire(arrow: string, { start, headers, body }: Wire): void {
  console.log(`   ${arrow} ${start}`)
  for (const name of HEADERS) {
    const value = headers.get(name)
    if (value !== null) console.log(`     ${faint(`${name}:`)} ${shortened(value)}`)
  }
  for (const line of linesOf(body)) console.log(`     ${line}`)
}

/** Signatures and encrypted keys are long, and all look alike. */
function shortened(header: string): string {
  return header.replace(/(=[\w%+/-]{12})[\w%+/-]{40,}([\w%+/-]{8})$/, '$1…$2')
}

/** JSON is broken between its members; of a ciphertext, the beginning will do. */
function linesOf(body: string): string[] {
  if (body.startsWith('{')) return wrapped(body.split(/(?<=,)(?=")/), WIDTH)
  return [`${body.slice(0, 60)}…  ${faint(`${body.length} characters`)}`]
}

/** Puts pieces of text together to lines that are no longer than they have to be. */
function wrapped(pieces: readonly string[], width: number): string[] {
  const lines: string[] = []
  for (const piece of pieces) {
    const line = lines.at(-1)
    if (line === undefined || line.length + piece.length > width) lines.push(piece)
    else lines[lines.length - 1] = line + piece
  }
  return lines
}

export function showSummary(results: readonly { scene: Scene; asExpected: boolean }[]): void {
  console.log(`\n${bold('Summary')}`)
  for (const { scene, asExpected } of results) {
    const { kind, resultCode } = scene.expected
    const mark = asExpected ? green('✓') : red('✗')
    console.log(`   ${mark} ${scene.title.padEnd(20)}${kind.padEnd(12)}${resultCode}`)
  }
  const right = results.filter(({ asExpected }) => asExpected).length
  const verdict = `${right} of ${results.length} came out as they should.`
  console.log(`\n   ${right === results.length ? green(verdict) : red(verdict)}\n`)
}
