import { expect, test } from 'vitest'
import { growths, type Sample, tooManyRows } from './flatness.ts'

const samples = (of: (at: number) => Partial<Sample>): Sample[] =>
  Array.from({ length: 200 }, (_, index) => ({
    ...{ at: index * 5, isCalm: true, accepted: index * 50, acceptedPerSecond: 10, pending: 0, enqueued: index * 25 },
    ...of(index * 5),
  }))

test('growths compares the medians of the two halves after the warm-up', () => {
  const flat = growths(
    samples((at) => ({ heapMb: at < 100 ? 5 : 10 })),
    100,
  )
  expect(flat.find(({ figure }) => figure === 'heapMb')).toMatchObject({ before: 10, after: 10, isFlat: true })
  const growing = growths(
    samples((at) => ({ heapMb: 10 + at / 100 })),
    100,
  )
  expect(growing.find(({ figure }) => figure === 'heapMb')).toMatchObject({ isFlat: false })
  // Never measured.
  expect(growing.find(({ figure }) => figure === 'handles')).toMatchObject({ isFlat: false })
})

test('tooManyRows accepts rows that are deleted when they expire, and reports those that stay', () => {
  expect(
    tooManyRows(samples((at) => ({ requestRows: Math.min(at, 300) * 10, outboxRows: Math.min(at, 190) * 5 }))),
  ).toEqual([])
  expect(tooManyRows(samples((at) => ({ requestRows: at * 10 }))).join()).toContain('rows of requests after')
  expect(tooManyRows(samples((at) => ({ outboxRows: at * 5 }))).join()).toContain('rows in the outbox after')
})
