import { describe, expect, test } from 'vitest'
import { type Arrival, type ArrivalEnd, checkSending, type SendingBooks, type WorkerEntry } from './sending-books.ts'

const OLD = { requestId: 'A-1', orderNo: 'A', modifyTime: 1 }
const NEW = { requestId: 'A-2', orderNo: 'A', modifyTime: 2 }

const arrival = (id: number, at: number, version = NEW): Arrival => ({ kind: 'arrival', id, at, ...version })
const end = (id: number, at: number, outcome: ArrivalEnd['outcome'] = 'S'): ArrivalEnd => ({
  kind: 'end',
  id,
  at,
  outcome,
})
const entry = (kind: WorkerEntry['kind'], at: number, version = NEW, code?: string): WorkerEntry => ({
  ...{ kind, at, requestId: version.requestId },
  ...(code !== undefined && { code }),
})
/** Both versions were committed and sent, one after the other. */
const balanced: SendingBooks = {
  committed: [OLD, NEW],
  gateway: [arrival(1, 10, OLD), end(1, 10.1), arrival(2, 11), end(2, 11.1)],
  workers: [entry('noted', 10.2, OLD), entry('noted', 11.2)],
  faults: [],
}

const violationsOf = (changes: Partial<SendingBooks>) => checkSending({ ...balanced, ...changes }).violations

describe('checkSending', () => {
  test('finds nothing in books that balance', () => {
    expect(checkSending(balanced)).toEqual({ arrivals: 2, repeats: 0, violations: [] })
  })

  test('accepts a version that was skipped, because a newer one waited', () => {
    const gateway = [arrival(2, 11), end(2, 11.1)]
    expect(violationsOf({ gateway, workers: [entry('skipped', 10, OLD), entry('noted', 11.2)] })).toEqual([])
  })

  test('a version that was accepted, and not noted because the store failed, may arrive again', () => {
    const gateway = [...balanced.gateway, arrival(3, 18), end(3, 18.1)]
    const workers = [entry('noted', 10.2, OLD), entry('sent', 11.2), entry('noted', 18.2)]
    expect(checkSending({ ...balanced, gateway, workers })).toMatchObject({ repeats: 1, violations: [] })
    expect(violationsOf({ gateway, workers: [...workers, entry('noted', 11.1)] })).toHaveLength(2)
  })

  test.each<[string, Partial<SendingBooks>, string]>([
    ['a lost version', { gateway: balanced.gateway.slice(0, 2) }, 'A-2: the newest version did not arrive last'],
    [
      'a version that was never accepted',
      { gateway: [arrival(2, 11), end(2, 11.1, 'other')], workers: [] },
      'never accepted',
    ],
    [
      'a version whose transaction was rolled back',
      {
        gateway: [
          ...balanced.gateway.slice(0, 2),
          arrival(3, 10.5, { ...OLD, requestId: 'A-9' }),
          ...balanced.gateway.slice(2),
        ],
      },
      'A-9: arrived, but was not committed',
    ],
    [
      'an older version that arrives last',
      { gateway: [...balanced.gateway, arrival(3, 12, OLD), end(3, 12.1)] },
      'A-1: arrived again, or after a newer version',
    ],
    [
      'a version that arrives again after it was noted',
      {
        gateway: [...balanced.gateway, arrival(3, 12), end(3, 12.1)],
        faults: [{ name: 'worker SIGKILL', from: 11, to: 12 }],
      },
      'A-2: arrived again, or after a newer version',
    ],
    [
      'a version that arrives again after S, without a fault',
      { gateway: [...balanced.gateway, arrival(3, 12), end(3, 12.1)], workers: [entry('noted', 12.2)] },
      'A-2: arrived again after S, and nothing had failed',
    ],
    ['a version that failed', { workers: [entry('failed', 11.2, NEW, 'ERR_X')] }, 'A-2: failed with ERR_X'],
    [
      'a foreign request',
      { gateway: [...balanced.gateway, { kind: 'foreign', at: 12, reason: 'is unsigned' }] },
      'is unsigned',
    ],
    [
      'two sends at the same time',
      { gateway: [arrival(1, 10, OLD), arrival(2, 11), end(2, 11.1), end(1, 13)], workers: [entry('noted', 11.2)] },
      'A: two sends at the same time',
    ],
  ])('reports %s', (_, changes, violation) => {
    expect(violationsOf(changes).join()).toContain(violation)
  })

  test('counts, and does not report, a version that arrives again because its worker was killed before the note', () => {
    const gateway = [...balanced.gateway, arrival(3, 18), end(3, 18.1)]
    const faults = [{ name: 'worker SIGKILL', from: 11.05, to: 12 }]
    const workers = [entry('noted', 10.2, OLD), entry('noted', 18.2)]
    expect(checkSending({ ...balanced, gateway, workers, faults })).toEqual({ arrivals: 3, repeats: 1, violations: [] })
    expect(violationsOf({ gateway, workers, faults: [{ name: 'clock jump', from: 11.05, to: 12 }] })).toHaveLength(1)
  })

  test('accepts a version that is sent again because the client has seen no response', () => {
    const gateway = [...balanced.gateway, arrival(3, 13), end(3, 13.1)]
    const sent = [entry('noted', 10.2, OLD), entry('noted', 13.2)]
    expect(violationsOf({ gateway, workers: [...sent, entry('retry', 12, NEW, 'ERR_TIMEOUT')] })).toEqual([])
    expect(violationsOf({ gateway, workers: [...sent, entry('retry', 12, NEW, 'ERR_REPLY_SIGNATURE')] })).toHaveLength(
      1,
    )
  })

  test('accepts the open connection of a worker that is frozen', () => {
    const gateway = [arrival(1, 10), arrival(2, 17), end(2, 17.1), end(1, 19, 'other')]
    const workers = [entry('noted', 17.2)]
    expect(violationsOf({ gateway, workers, faults: [{ name: 'worker SIGSTOP', from: 10, to: 19 }] })).toEqual([])
    expect(violationsOf({ gateway, workers })).toHaveLength(1)
  })
})
