import { decodeUtf8, encodeUtf8 } from '../../protocol/encoding.ts'
import type { CauseCode, Change } from '../change.ts'
import {
  compact,
  countMembers,
  type Layout,
  layOut,
  type Member,
  type Reorder,
  reorder,
  rewriteStrings,
} from '../json-text.ts'

/** A change of the body as text. The body must be UTF-8. */
export function textChange(
  change: Pick<Change, 'code' | 'cost' | 'fix'>,
  rewrite: (text: string) => string | undefined,
): Change {
  return {
    ...change,
    part: 'body',
    apply(parts) {
      const text = decodeUtf8(parts.body)
      const changed = text === undefined ? undefined : rewrite(text)
      return changed === undefined || changed === text ? undefined : { ...parts, body: encodeUtf8(changed) }
    },
  }
}

const SAME_BYTES =
  'The bytes that are signed must be the bytes that are sent: serialize once, and turn off everything in transit that reformats the JSON.'

const LAYOUTS: readonly (readonly [what: string, layout: Layout, cost: number])[] = [
  ['with a space after each colon and comma, as Python writes it', { colon: ': ', comma: ', ' }, 1],
  ['indented by two spaces', { colon: ': ', comma: ',', indent: '  ' }, 1],
  ['indented by four spaces', { colon: ': ', comma: ',', indent: '    ' }, 2],
  ['indented by two spaces, as Jackson writes it', { colon: ' : ', comma: ',', indent: '  ', empty: ' ' }, 2],
  ['indented by tabs', { colon: ': ', comma: ',', indent: '\t' }, 2],
  ['indented by two spaces, with CRLF', { colon: ': ', comma: ',', indent: '  ', newline: '\r\n' }, 2],
  ['indented by four spaces, with CRLF', { colon: ': ', comma: ',', indent: '    ', newline: '\r\n' }, 3],
  ['indented by three spaces, as Perl writes it', { colon: ' : ', comma: ',', indent: '   ' }, 3],
  ['with a space after each colon', { colon: ': ', comma: ',' }, 2],
  ['with a space after each comma', { colon: ':', comma: ', ' }, 2],
  ['with spaces around each colon', { colon: ' : ', comma: ', ' }, 3],
  ['with line breaks and without indentation', { colon: ':', comma: ',', indent: '' }, 3],
]

/** White space that was added to the JSON. */
export function spaceChanges(): Change[] {
  const code = 'body-whitespace'
  return [
    textChange(
      {
        code,
        cost: 1,
        fix: `The sender signed the body without white space: something in transit reformats the JSON. ${SAME_BYTES}`,
      },
      compact,
    ),
    textChange(
      {
        code,
        cost: 1,
        fix: 'The sender signed the body without the white space around it: the sender, or something in transit, added it.',
      },
      // trim() removes a byte order mark too, which is another cause.
      (text) => text.replace(/^[ \t\r\n]+|(?<![ \t\r\n])[ \t\r\n]+$/g, ''),
    ),
  ]
}

/** The white space that common serializers write. */
export function jsonLayoutChanges(): Change[] {
  return LAYOUTS.map(([what, layout, cost]) =>
    textChange({ code: 'body-whitespace', cost, fix: `The sender signed the JSON ${what}. ${SAME_BYTES}` }, (text) =>
      layOut(text, layout),
    ),
  )
}

const hex = (character: string) => character.charCodeAt(0).toString(16).padStart(4, '0')
const lower = (character: string) => `\\u${hex(character)}`
const upper = (character: string) => `\\u${hex(character).toUpperCase()}`
const minimal = (value: string) => JSON.stringify(value).slice(1, -1)
const slashes = (text: string) => text.replaceAll('/', '\\/')
/** Every UTF-16 code unit that is not ASCII. */
const NOT_ASCII = /[^\0-\x7f]/g

const ESCAPINGS: readonly (readonly [what: string, write: (value: string) => string, cost: number])[] = [
  ['without escapes that JSON does not need', minimal, 1],
  ['with \\uXXXX for every character that is not ASCII', (value) => minimal(value).replace(NOT_ASCII, lower), 1],
  ['with \\uXXXX in upper case', (value) => minimal(value).replace(NOT_ASCII, upper), 2],
  ['with \\/ for every slash', (value) => slashes(minimal(value)), 1],
  ['with \\/ and \\uXXXX, as PHP writes it', (value) => slashes(minimal(value)).replace(NOT_ASCII, lower), 1],
  [
    "with \\u003c for <, >, &, = and ', as Gson writes it",
    (value) => minimal(value).replace(/[<>&='\u2028\u2029]/g, lower),
    2,
  ],
  ['with \\u003c for <, > and &, as Go writes it', (value) => minimal(value).replace(/[<>&\u2028\u2029]/g, lower), 2],
  [
    'with the escapes of System.Text.Json',
    (value) =>
      minimal(value)
        .replaceAll('\\"', '\\u0022')
        .replace(/[^\0-\x7f]|[<>&'+`\x7f]/g, upper),
    2,
  ],
  [
    'with \\x7f and control characters in upper case',
    (value) =>
      minimal(value).replace(/\\u00[0-9a-f]{2}|\x7f/g, (one) =>
        one === '\x7f' ? '\\u007F' : `\\u${one.slice(2).toUpperCase()}`,
      ),
    4,
  ],
]

/** Escapes inside the strings of the JSON. */
export function escapingChanges(): Change[] {
  return ESCAPINGS.map(([what, write, cost]) =>
    textChange({ code: 'body-escaping', cost, fix: `The sender signed the JSON ${what}. ${SAME_BYTES}` }, (text) =>
      rewriteStrings(text, write),
    ),
  )
}

/** The order of the API page. Unknown members come before `extInfo`. */
const PAGE_ORDER = [
  ...[
    'requestId',
    'merchantId',
    'tradeNo',
    'merchantBizNo',
    'merchantBizType',
    'amount',
    'payAmount',
    'discountAmount',
  ],
  ...['orderStatus', 'orderCreateTime', 'orderModifyTime', 'userId', 'openId'],
  ...['result', 'resultCode', 'resultStatus', 'resultMessage', 'orderId', 'value', 'currency'],
]

const byCodeUnit = (a: string, b: string) => (a < b ? -1 : Number(a > b))
const rank = (key: string) => {
  const index = PAGE_ORDER.indexOf(key)
  return key === 'extInfo' ? PAGE_ORDER.length + 1 : index < 0 ? PAGE_ORDER.length : index
}

const sortedBy =
  (compare: (a: string, b: string) => number): Reorder =>
  (members) =>
    members.toSorted((a, b) => compare(a.key, b.key))

const atTop =
  (order: Reorder): Reorder =>
  (members, depth) =>
    depth === 0 ? order(members, depth) : undefined

const ORDERS: readonly (readonly [what: string, order: Reorder, cost: number])[] = [
  ['sorted by name', sortedBy(byCodeUnit), 1],
  ['of the outermost object sorted by name', atTop(sortedBy(byCodeUnit)), 1],
  ['in the order of the API page', sortedBy((a, b) => rank(a) - rank(b)), 1],
  ['sorted by name, upper and lower case alike', sortedBy((a, b) => byCodeUnit(a.toLowerCase(), b.toLowerCase())), 2],
  ['in the order of a HashMap of Java', (members) => javaHashOrder(members), 2],
  ['of the outermost object in the order of a HashMap of Java', atTop((members) => javaHashOrder(members)), 2],
  ['in reverse order', (members) => members.toReversed(), 3],
  ['of the outermost object in reverse order', atTop((members) => members.toReversed()), 3],
  [
    'with "value" and "currency" the other way round',
    (members) => (members.length === 2 ? members.toReversed() : undefined),
    2,
  ],
]

/** The order in which java.util.HashMap returns its keys, which is the same on every machine. */
function javaHashOrder(members: readonly Member[]): readonly Member[] {
  let capacity = 16
  while (members.length > capacity * 0.75) capacity *= 2
  const bucketOf = ({ key }: Member) => {
    let hash = 0
    for (let index = 0; index < key.length; index++) hash = (Math.imul(hash, 31) + key.charCodeAt(index)) | 0
    return (hash ^ (hash >>> 16)) & (capacity - 1)
  }
  return members.toSorted((a, b) => bucketOf(a) - bucketOf(b))
}

/** Above these limits, single members are not moved. */
const MAX_MOVED = 20
const MAX_MOVED_BYTES = 16_384

/** The order of the members of the JSON. */
export function orderChanges(body: Uint8Array): Change[] {
  const code: CauseCode = 'body-key-order'
  const change = (what: string, order: Reorder, cost: number) =>
    textChange({ code, cost, fix: `The sender signed the JSON with its members ${what}. ${SAME_BYTES}` }, (text) =>
      reorder(text, order),
    )
  const text = body.length > MAX_MOVED_BYTES ? undefined : decodeUtf8(body)
  const count = text === undefined ? 0 : countMembers(text)
  const moves: Change[] = []
  for (let from = 0; from < count && count <= MAX_MOVED; from++) {
    for (let to = 0; to < count; to++) {
      // Neighbours change places in one way, not in two.
      if (from === to || from === to + 1) continue
      moves.push(
        change(
          'in another order',
          atTop((members) => moved(members, from, to)),
          4,
        ),
      )
    }
  }
  return [...ORDERS.map(([what, order, cost]) => change(what, order, cost)), ...moves]
}

function moved(members: readonly Member[], from: number, to: number): readonly Member[] {
  const rest = members.toSpliced(from, 1)
  return rest.toSpliced(to, 0, ...members.slice(from, from + 1))
}
