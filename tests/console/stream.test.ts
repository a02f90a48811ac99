import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { deliveryEntry } from '../../src/console/entry.ts'
import { createRing } from '../../src/console/ring.ts'
import { toRow } from '../../src/console/row.ts'
import { createHub, MAX_PAGES } from '../../src/console/stream.ts'
import type { Batch } from '../../src/console/wire.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const ABOUT = {
  capacity: 500,
  canSendAsPeer: false,
  hasHandler: true,
  hasClient: false,
  hasOutbox: false,
  isRecording: false,
}

function setup({ capacity = 500 } = {}) {
  const ring = createRing({ capacity, maxBytes: 100_000_000 })
  const hub = createHub({ ring, about: () => ABOUT, toRow: (entry, { show }) => toRow(entry, { show, salt: 'salt' }) })
  let count = 0
  const deliver = (number: number) => {
    for (let index = 0; index < number; index++) {
      const request = { method: 'POST', path: '/', headers: {} }
      const delivery = { startedAt: performance.now(), request, steps: [], events: [] }
      ring.put(deliveryEntry(delivery, { id: `e${++count}`, now: 0 }))
      hub.changed()
    }
  }
  return { hub, deliver }
}

function page({ isFull = () => false }: { isFull?: () => boolean } = {}) {
  const sent: string[] = []
  const ended = vi.fn()
  const batches = () =>
    sent.flatMap((text) => {
      const [, data] = /event: rows\ndata: (.*)\n\n/.exec(text) ?? []
      return data === undefined ? [] : [(JSON.parse(data) as Batch).rows.map(({ id }) => id)]
    })
  return { sent, ended, batches, sink: { send: (text: string) => void sent.push(text), isFull, end: ended } }
}

describe('createHub', () => {
  test('starts with the capabilities and all rows of the console', () => {
    const { hub, deliver } = setup()
    deliver(2)
    const { sink, sent, batches } = page()
    hub.open(sink, { show: false })
    expect(sent[0]).toContain(`event: about\ndata: ${JSON.stringify(ABOUT)}`)
    expect(batches()).toEqual([['e1', 'e2']])
  })

  test('collects changes: 10,000 deliveries a minute are 4 messages a second', () => {
    const { hub, deliver } = setup()
    const { sink, batches } = page()
    hub.open(sink, { show: false })
    for (let second = 0; second < 10; second++) {
      deliver(167)
      vi.advanceTimersByTime(1_000)
    }
    expect(batches().flat()).toHaveLength(1_670)
    expect(batches().length).toBeLessThanOrEqual(40)
  })

  test('sends nothing to a page that does not read, and later only the newest rows', () => {
    const { hub, deliver } = setup()
    let isFull = false
    const slow = page({ isFull: () => isFull })
    const fast = page()
    hub.open(slow.sink, { show: false })
    hub.open(fast.sink, { show: false })
    isFull = true
    for (let round = 0; round < 100; round++) {
      deliver(100)
      vi.advanceTimersByTime(250)
    }
    vi.advanceTimersByTime(5_000)
    expect(slow.batches()).toEqual([])
    expect(fast.batches().flat().at(-1)).toBe('e10000')
    isFull = false
    vi.advanceTimersByTime(5_000)
    expect(slow.batches().flat()).toHaveLength(500)
    expect(slow.batches().flat().at(-1)).toBe('e10000')
  })

  test('an open page has a bounded cost: at most 45 rows in a message, 4 times a second', () => {
    const { hub, deliver } = setup()
    const { sink, batches } = page()
    hub.open(sink, { show: false })
    for (let round = 0; round < 40; round++) {
      deliver(1_000)
      vi.advanceTimersByTime(250)
    }
    expect(Math.max(...batches().map(({ length }) => length))).toBe(45)
    expect(batches().length).toBeLessThanOrEqual(40)
    vi.advanceTimersByTime(5_000)
    expect(batches().flat().at(-1)).toBe('e40000')
  })

  test('disconnects a page that has read nothing at three heartbeats, and no other page', () => {
    const { hub, deliver } = setup()
    let isFull = false
    const stuck = page({ isFull: () => isFull })
    const fine = page()
    hub.open(stuck.sink, { show: false })
    hub.open(fine.sink, { show: false })
    isFull = true
    vi.advanceTimersByTime(44_999)
    expect([stuck.ended, fine.ended].map(({ mock }) => mock.calls.length)).toEqual([0, 0])
    vi.advanceTimersByTime(1)
    expect([stuck.ended, fine.ended].map(({ mock }) => mock.calls.length)).toEqual([1, 0])
    expect(hub.size()).toBe(1)
    deliver(1)
    vi.advanceTimersByTime(250)
    expect(fine.batches().flat()).toEqual(['e1'])
    hub.open(page().sink, { show: false })
    expect(hub.size()).toBe(2)
  })

  test('keeps a page that reads slowly: it was not full at some time between three heartbeats', () => {
    const { hub, deliver } = setup()
    let isFull = false
    const { sink, ended } = page({ isFull: () => isFull })
    hub.open(sink, { show: false })
    for (let minute = 0; minute < 10; minute++) {
      isFull = true
      vi.advanceTimersByTime(30_000)
      isFull = false
      deliver(1)
      vi.advanceTimersByTime(250)
    }
    expect(ended).not.toHaveBeenCalled()
  })

  test('sends a large ring in parts of 500 rows, as fast as the page reads', () => {
    const { hub, deliver } = setup({ capacity: 2_000 })
    deliver(2_000)
    let isFull = false
    const { sink, batches } = page({ isFull: () => isFull })
    hub.open(sink, { show: false })
    expect(batches().map(({ length }) => length)).toEqual([500])
    isFull = true
    vi.advanceTimersByTime(5_000)
    expect(batches()).toHaveLength(1)
    isFull = false
    vi.advanceTimersByTime(1_000)
    expect(batches().map(({ length }) => length)).toEqual([500, 500, 500, 500])
  })

  test('has no timer while no page is open', () => {
    const { hub, deliver } = setup()
    deliver(3)
    expect(vi.getTimerCount()).toBe(0)
    const { sink } = page()
    const close = hub.open(sink, { show: false })
    deliver(1)
    expect(vi.getTimerCount()).toBe(2)
    vi.advanceTimersByTime(250)
    close()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('writes a comment at intervals, to detect closed connections', () => {
    const { hub } = setup()
    const { sink, sent } = page()
    hub.open(sink, { show: false })
    vi.advanceTimersByTime(15_000)
    expect(sent.at(-1)).toBe(': still here\n\n')
  })

  test('is full with 16 pages, and accepts another one when one is closed', () => {
    const { hub } = setup()
    const closes = Array.from({ length: MAX_PAGES }, () => hub.open(page().sink, { show: false }))
    expect(hub.isFull()).toBe(true)
    closes[0]?.()
    expect(hub.isFull()).toBe(false)
  })

  test('ends a page that opens when 16 others have opened meanwhile, or when it is closed', () => {
    const { hub } = setup()
    for (let count = 0; count < MAX_PAGES; count++) hub.open(page().sink, { show: false })
    const late = page()
    hub.open(late.sink, { show: false })
    expect([late.ended.mock.calls.length, late.sent, hub.size()]).toEqual([1, [], MAX_PAGES])
    hub.close()
    const later = page()
    hub.open(later.sink, { show: false })
    expect([later.ended.mock.calls.length, later.sent, hub.size()]).toEqual([1, [], 0])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('close ends every page', () => {
    const { hub } = setup()
    const { sink, ended } = page()
    hub.open(sink, { show: false })
    hub.close()
    expect(ended).toHaveBeenCalledOnce()
    expect([hub.size(), vi.getTimerCount()]).toEqual([0, 0])
  })
})
