import { getEventListeners } from 'node:events'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createRequestAbort } from '../../src/server/abort.ts'
import { deferred } from '../support/deferred.ts'
import { rejectionOf } from '../support/thrown.ts'

const late = new Error('too late')
const gone = new Error('the peer is gone')
const create = (signal?: unknown) => createRequestAbort(100, { signal: signal as AbortSignal }, () => late)

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
})

describe('the signal of a request', () => {
  test.each([true, false])('is aborted when the time is up (read before: %s)', async (isReadBefore) => {
    const abort = create()
    if (isReadBefore) expect(abort.signal.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(99)
    expect(abort.isTimedOut()).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(abort.isTimedOut()).toBe(true)
    expect(abort.signal).toMatchObject({ aborted: true, reason: late })
    await abort.timedOut
  })

  test.each([true, false])('is aborted when the peer closes the connection (read before: %s)', (isReadBefore) => {
    const peer = new AbortController()
    const abort = create(peer.signal)
    if (isReadBefore) expect(abort.signal.aborted).toBe(false)
    peer.abort(gone)
    expect(abort.signal).toMatchObject({ aborted: true, reason: gone })
    expect(abort.connection).toBe(peer.signal)
    expect(abort.isTimedOut()).toBe(false)
  })

  test.each([true, false])('is not aborted after the request has ended (read before: %s)', async (isReadBefore) => {
    const peer = new AbortController()
    const abort = create(peer.signal)
    if (isReadBefore) expect(abort.signal.aborted).toBe(false)
    abort.release()
    expect(vi.getTimerCount()).toBe(0)
    expect(getEventListeners(peer.signal, 'abort')).toStrictEqual([])
    peer.abort(gone)
    await vi.advanceTimersByTimeAsync(100)
    expect(abort.signal.aborted).toBe(false)
    expect(abort.isTimedOut()).toBe(false)
    expect(getEventListeners(peer.signal, 'abort')).toStrictEqual([])
  })

  test('has no listener on the signal of the peer after the time is up, even if the work never ends', async () => {
    const peer = new AbortController()
    const abort = create(peer.signal)
    await vi.advanceTimersByTimeAsync(100)
    expect(getEventListeners(peer.signal, 'abort')).toStrictEqual([])
    peer.abort(gone)
    expect(abort.signal.reason).toBe(late)
  })

  test('stays aborted after the request has ended', () => {
    const peer = new AbortController()
    const abort = create(peer.signal)
    peer.abort(gone)
    abort.release()
    expect(abort.signal).toMatchObject({ aborted: true, reason: gone })
  })

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['text', 'abort'],
    ['an object without removeEventListener', { aborted: false, addEventListener: () => {} }],
    ['an object without addEventListener', { aborted: false, removeEventListener: () => {} }],
  ])('ignores a connection that is %s', (_, signal) => {
    const abort = create(signal)
    expect(abort.connection).toBeUndefined()
    expect(abort.signal.aborted).toBe(false)
    abort.release()
  })

  test('ignores a connection that cannot be read, and a request that is missing', () => {
    const request = {
      get signal(): AbortSignal {
        throw new Error('of the getter')
      },
    }
    for (const given of [request, null, undefined]) {
      const abort = createRequestAbort(100, given, () => late)
      expect(abort.connection).toBeUndefined()
      abort.release()
    }
  })
})

describe('work with the time limit of a request', () => {
  test('resolves or rejects as the work does', async () => {
    const abort = create()
    expect(await abort.beforeTimeout(Promise.resolve(5))).toBe(5)
    expect(await rejectionOf(abort.beforeTimeout(Promise.reject(gone)))).toBe(gone)
    abort.release()
  })

  test('rejects when the time is up first', async () => {
    const work = deferred<number>()
    const ended = rejectionOf(create().beforeTimeout(work.promise))
    await vi.advanceTimersByTimeAsync(100)
    expect(await ended).toBe(late)
  })
})
