import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ModifyTimeComparison, type Decision, decide, type Incoming, type Remembered } from '../../src/policy/idempotency.ts'

// An event at 20 arrives with the digest "same". What is remembered is spelled out in the columns.
const INCOMING: Incoming = { digest: 'same', orderModifyTime: 20 }

/** The last processed event: when it happened, and when it was processed. */
const LAST = {
  none: undefined,
  'older, processed before': { orderModifyTime: 10, processedAt: 15 },
  'older, processed at the same time': { orderModifyTime: 10, processedAt: 20 },
  'older, processed after': { orderModifyTime: 10, processedAt: 25 },
  'the same, processed before': { orderModifyTime: 20, processedAt: 15 },
  'the same, processed after': { orderModifyTime: 20, processedAt: 25 },
  newer: { orderModifyTime: 30, processedAt: 35 },
  'newer, by a clock that is behind': { orderModifyTime: 30, processedAt: 5 },
} as const

const REQUEST = {
  'new': undefined,
  'same body, unanswered': { digest: 'same', answered: false },
  'same body, answered': { digest: 'same', answered: true },
  'other body, unanswered': { digest: 'other', answered: false },
  'other body, answered': { digest: 'other', answered: true },
} as const

type LastName = keyof typeof LAST
type RequestName = keyof typeof REQUEST

/** What is decided where the request is new, or is known with the same body and unanswered: free, and leased. */
const BY_TIME: readonly (readonly [LastName, ModifyTimeComparison, free: Decision, leased: Decision])[] = [
  ['none', 'orderModifyTime', 'process', 'busy'],
  ['older, processed before', 'orderModifyTime', 'process', 'busy'],
  ['older, processed at the same time', 'orderModifyTime', 'process', 'busy'],
  ['older, processed after', 'orderModifyTime', 'process', 'busy'],
  ['the same, processed before', 'orderModifyTime', 'duplicate', 'duplicate'],
  ['the same, processed after', 'orderModifyTime', 'duplicate', 'duplicate'],
  ['newer', 'orderModifyTime', 'stale', 'stale'],
  ['newer, by a clock that is behind', 'orderModifyTime', 'stale', 'stale'],
  ['none', 'processedAt', 'process', 'busy'],
  ['older, processed before', 'processedAt', 'process', 'busy'],
  ['older, processed at the same time', 'processedAt', 'stale', 'stale'],
  ['older, processed after', 'processedAt', 'stale', 'stale'],
  ['the same, processed before', 'processedAt', 'duplicate', 'duplicate'],
  ['the same, processed after', 'processedAt', 'duplicate', 'duplicate'],
  ['newer', 'processedAt', 'stale', 'stale'],
  ['newer, by a clock that is behind', 'processedAt', 'stale', 'stale'],
]

/** What the request alone decides, whatever else is remembered. */
const BY_REQUEST: Readonly<Record<RequestName, Decision | 'by time'>> = {
  'new': 'by time',
  'same body, unanswered': 'by time',
  'same body, answered': 'replay',
  'other body, unanswered': 'conflict',
  'other body, answered': 'conflict',
}

const TABLE = BY_TIME.flatMap(([last, comparison, free, leased]) =>
  (Object.keys(REQUEST) as RequestName[]).flatMap((request) =>
    [false, true].map((isLeased) => ({
      comparison,
      last,
      request,
      order: isLeased ? 'leased' : 'free',
      remembered: remember(LAST[last], REQUEST[request], isLeased),
      decision: BY_REQUEST[request] === 'by time' ? (isLeased ? leased : free) : BY_REQUEST[request],
    })),
  ),
)

function remember(last: (typeof LAST)[LastName], request: (typeof REQUEST)[RequestName], leased: boolean): Remembered {
  return { leased, ...(last && { last }), ...(request && { request }) }
}

describe('the truth table', () => {
  test('has every combination', () => {
    expect(TABLE).toHaveLength(Object.keys(LAST).length * Object.keys(REQUEST).length * 2 * 2)
    expect(new Set(TABLE.map(({ decision }) => decision)).size).toBe(6)
  })

  test.each(TABLE)('by $comparison, last $last, request $request, order $order: $decision', (row) => {
    expect(decide(row.remembered, INCOMING, row.comparison)).toBe(row.decision)
  })
})

test('the comparison is with orderModifyTime unless the caller says otherwise', () => {
  const last = LAST['older, processed after']
  expect(decide({ leased: false, last }, INCOMING)).toBe('process')
  expect(decide({ leased: false, last }, INCOMING, 'processedAt')).toBe('stale')
})

test('a time that is no number is never newer', () => {
  const last = { orderModifyTime: 0, processedAt: 0 }
  expect(decide({ leased: false, last }, { ...INCOMING, orderModifyTime: Number.NaN })).toBe('stale')
})

test('events delivered one by one, in any order, end with the newest, and none is processed twice', () => {
  const events = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(events, (times) => {
      const processed: number[] = []
      for (const orderModifyTime of times) {
        const latest = processed.at(-1)
        const last = latest === undefined ? undefined : { orderModifyTime: latest, processedAt: 0 }
        const decision = decide({ leased: false, ...(last && { last }) }, { digest: '', orderModifyTime })
        if (decision === 'process') processed.push(orderModifyTime)
        else expect(decision).toBe(orderModifyTime === latest ? 'duplicate' : 'stale')
      }
      expect(processed).toStrictEqual([...new Set(processed)].sort((a, b) => a - b))
      expect(processed.at(-1)).toBe(Math.max(...times))
    }),
  )
})
