import { type OrderInput, ProtocolError } from 'alipayhk-order-sync'
import { toOutgoingOrder } from 'alipayhk-order-sync/messages'
import { formatJson, parseJson } from 'alipayhk-order-sync/protocol'
import { UsageError } from '../usage-error.ts'

/** The longest line. Most receivers refuse a larger order. */
export const MAX_LINE_BYTES = 1_048_576

/** An order, or what is wrong with its line. */
export type ParsedLine = { readonly order: OrderInput } | { readonly issue: ProtocolError }

/** Parses a line as strictly as a message of the peer: a repeated member, for example, is an error. */
export function parseOrderLine(line: Uint8Array | undefined, allowFractions: boolean): ParsedLine {
  if (line === undefined) return { issue: new ProtocolError('ERR_BODY_TOO_LARGE', 'The line is longer than 1 MiB.') }
  return catchIssue(() => {
    const value = parseJson(line, { maxDepth: 64, allowFractions })
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ProtocolError('ERR_FIELD_INVALID', 'The order must be a JSON object.')
    }
    // The client validates it, and names each invalid field.
    return value as OrderInput
  })
}

/** Does everything that the client does before it sends an order. */
export function validateOrder(order: OrderInput, allowFractions: boolean): ParsedLine {
  return catchIssue(() => {
    const complete = toOutgoingOrder({ requestId: 'made-when-sent', merchantBizType: 'TRADE_ORDER', ...order })
    formatJson(complete, { maxDepth: 64, allowFractions })
    return order
  })
}

function catchIssue(parse: () => OrderInput): ParsedLine {
  try {
    return { order: parse() }
  } catch (error) {
    if (error instanceof ProtocolError) return { issue: error }
    throw error
  }
}

/** Throws if the first line shows that the file is not JSONL. Otherwise each of its lines would be an invalid order. */
export function assertJsonLines(first: Uint8Array): void {
  const text = Buffer.from(first).toString().trim()
  if (text.startsWith('{') && text !== '{') return
  const found = text.startsWith('[')
    ? 'It is an array. Convert it, for example with: jq -c ".[]" orders.json'
    : text === '{'
      ? 'It is one order on several lines, which is sent without --jsonl.'
      : 'It does not begin with a JSON object.'
  throw new UsageError(`--jsonl takes a file with one JSON object on each line. ${found}`)
}

/** Whether a text that is not JSON has one JSON object on each line. */
export function isJsonLines(text: string): boolean {
  const lines = text.split('\n', 1_000).filter((line) => line.trim() !== '')
  return lines.length > 1 && lines.slice(0, 2).every(isObject)
}

function isObject(line: string): boolean {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
