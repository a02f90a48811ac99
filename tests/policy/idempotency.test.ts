import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ClaimResult,
  type Decision,
  decide,
  type Incoming,
  type ModifyTimeComparison,
  type Remembered,
  toClaimResult,
  type UncheckedClaim,
} from '../../src/policy/idempotency.ts'

// An event at 20 arrives with the digest "same". The rows below say what is remembered.
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
  'same body, without response': { digest: 'same', hasResponse: false },
  'same body, with response': { digest: 'same', hasResponse: true },
  'other body, without response': { digest: 'other', hasResponse: false },
  'other body, with response': { digest: 'other', hasResponse: true },
} as const

type LastName = keyof typeof LAST
type RequestName = keyof typeof REQUEST

/** What is decided where the request is new, or is known with the same body and unhasResponse: free, and leased. */
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

/** The decision that the request alone leads to. */
const BY_REQUEST: Readonly<Record<RequestName, Decision | 'by time'>> = {
  'new': 'by time',
  'same body, without response': 'by time',
  'same body, with response': 'replay',
  'other body, without response': 'conflict',
  'other body, with response': 'conflict',
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

describe('decide', () => {
  test('is tested with every combination', () => {
    expect(TABLE).toHaveLength(Object.keys(LAST).length * Object.keys(REQUEST).length * 2 * 2)
    expect(new Set(TABLE.map(({ decision }) => decision)).size).toBe(6)
  })

  test.each(TABLE)(
    'returns $decision when compared with $comparison, last event $last, request $request, order $order',
    (row) => {
      expect(decide(row.remembered, INCOMING, row.comparison)).toBe(row.decision)
    },
  )

  test('compares with orderModifyTime by default', () => {
    const last = LAST['older, processed after']
    expect(decide({ leased: false, last }, INCOMING)).toBe('process')
    expect(decide({ leased: false, last }, INCOMING, 'processedAt')).toBe('stale')
  })

  test('treats a time that is NaN as old', () => {
    const last = { orderModifyTime: 0, processedAt: 0 }
    expect(decide({ leased: false, last }, { ...INCOMING, orderModifyTime: Number.NaN })).toBe('stale')
  })

  test('processes each event at most once and ends with the newest, in any order of delivery', () => {
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
})

describe('toClaimResult', () => {
  test.each<[UncheckedClaim, ClaimResult]>([
    [
      { decision: 'process', token: 7 },
      { decision: 'process', token: 7 },
    ],
    [
      { decision: 'process', token: 7, storedResponse: null },
      { decision: 'process', token: 7 },
    ],
    [
      { decision: 'replay', storedResponse: 'A' },
      { decision: 'replay', storedResponse: 'A' },
    ],
    [
      { decision: 'duplicate', storedResponse: 'A', token: null, last: { orderModifyTime: 1, contentDigest: null } },
      { decision: 'duplicate', storedResponse: 'A', last: { orderModifyTime: 1 } },
    ],
    [
      { decision: 'stale', storedResponse: 'A', last: { orderModifyTime: 1, contentDigest: 'digest' } },
      { decision: 'stale', storedResponse: 'A', last: { orderModifyTime: 1, contentDigest: 'digest' } },
    ],
    [{ decision: 'conflict', storedResponse: null, token: null }, { decision: 'conflict' }],
    [{ decision: 'busy' }, { decision: 'busy' }],
  ])('turns %o into %o', (unchecked, result) => {
    expect(toClaimResult(unchecked)).toStrictEqual(result)
  })

  test.each(['PROCESS', 'process ', 'finish', '', undefined, null, 0, ['process'], 'constructor'])(
    'throws on the unknown decision %o',
    (decision) => {
      expect(() => toClaimResult({ decision, storedResponse: 'A', token: 7 })).toThrow('unknown decision')
    },
  )

  test.each(
    (['replay', 'duplicate', 'stale'] as const).flatMap((decision) =>
      [undefined, null, false, 0, Buffer.from('A')].map((storedResponse) => ({ decision, storedResponse })),
    ),
  )('throws on $decision when the stored response is $storedResponse', ({ decision, storedResponse }) => {
    expect(() => toClaimResult({ decision, storedResponse, token: 7 })).toThrow(
      `decided "${decision}" without a stored response`,
    )
  })

  test.each(
    (['duplicate', 'stale'] as const).flatMap((decision) =>
      [undefined, null, {}, { orderModifyTime: '1' }, { orderModifyTime: 0.5 }].map((last) => ({ decision, last })),
    ),
  )('throws on $decision when the last processed request is $last', ({ decision, last }) => {
    expect(() => toClaimResult({ decision, storedResponse: 'A', last })).toThrow(
      `decided "${decision}" without the last orderModifyTime`,
    )
  })

  test.each([undefined, null, '7', 7n, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
    'throws on process when the token is %o',
    (token) => {
      expect(() => toClaimResult({ decision: 'process', storedResponse: 'A', token })).toThrow(
        'decided "process" without a fencing token',
      )
    },
  )

  test('quotes at most 32 characters of an unknown decision', () => {
    expect(() => toClaimResult({ decision: 'x'.repeat(33) })).toThrow(`decision: ${'x'.repeat(32)}.`)
  })

  test('throws ERR_STORE, and names tables of another release as the cause', () => {
    const thrown = expect.objectContaining({
      name: 'HandlerError',
      code: 'ERR_STORE',
      message: expect.stringContaining('to another release of alipayhk-order-sync'),
    })
    expect(() => toClaimResult({ decision: 'process' })).toThrow(thrown)
    expect(() => toClaimResult({ decision: 'x' })).toThrow(thrown)
  })

  test('accepts every decision of decide', () => {
    for (const decision of new Set(TABLE.map((row) => row.decision))) {
      expect(toClaimResult({ decision, storedResponse: 'A', token: 7, last: { orderModifyTime: 1 } }).decision).toBe(
        decision,
      )
    }
  })
})
