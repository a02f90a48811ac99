import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { backOff, repeatTransient, timeoutError, withTimeout } from '../src/timeout.ts'
import { deferred } from './support/deferred.ts'
import { rejectionOf } from './support/thrown.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
})

/** Work that ignores its signal and never ends. It keeps the signal for the test. */
function endlessWork() {
  const started: { signal?: AbortSignal } = {}
  const work = (signal: AbortSignal) => {
    started.signal = signal
    return new Promise<never>(() => {})
  }
  return { work, started }
}

describe('withTimeout', () => {
  const neverAborted = () => new AbortController().signal

  test.each([
    ['with a timeout and a signal', () => ({ timeoutMs: 1_000, signal: neverAborted() })],
    ['with a timeout', () => ({ timeoutMs: 1_000 })],
    ['with a signal', () => ({ signal: neverAborted() })],
    ['without both', () => ({})],
  ])('settles like the work, and leaves no timer and no listener, %s', async (_, limits) => {
    const failure = new Error('no')
    const outcomes = [
      { work: () => Promise.resolve('value'), expected: { status: 'fulfilled', value: 'value' } },
      { work: () => Promise.reject(failure), expected: { status: 'rejected', reason: failure } },
    ]
    for (const { work, expected } of outcomes) {
      const given: { signal?: AbortSignal } = limits()
      const inner: AbortSignal[] = []
      const [settled] = await Promise.allSettled([
        withTimeout((signal) => {
          inner.push(signal)
          return work()
        }, given),
      ])
      expect(settled).toStrictEqual(expected)
      expect(inner.map(({ aborted }) => aborted)).toStrictEqual([false])
      expect(vi.getTimerCount()).toBe(0)
      if (given.signal) expect(getEventListeners(given.signal, 'abort')).toStrictEqual([])
    }
  })

  test('rejects after timeoutMs although the work ignores its signal, and aborts that signal', async () => {
    const caller = new AbortController()
    const { work, started } = endlessWork()
    const settle = vi.fn()
    const rejection = rejectionOf(withTimeout(work, { timeoutMs: 1_000, signal: caller.signal }).finally(settle))
    await vi.advanceTimersByTimeAsync(999)
    expect(settle).not.toHaveBeenCalled()
    expect(started.signal?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    const error = await rejection
    expect(error).toMatchObject({ name: 'TimeoutError', message: 'The operation took longer than 1000 ms' })
    expect(started.signal?.reason).toBe(error)
    expect(vi.getTimerCount()).toBe(0)
    expect(getEventListeners(caller.signal, 'abort')).toStrictEqual([])
  })

  test('rejects with the error of onTimeout', async () => {
    const failure = new Error('too slow')
    const { work, started } = endlessWork()
    const rejection = rejectionOf(withTimeout(work, { timeoutMs: 5, onTimeout: () => failure }))
    await vi.advanceTimersByTimeAsync(5)
    expect(await rejection).toBe(failure)
    expect(started.signal?.reason).toBe(failure)
  })

  test('rejects with the reason of the outer signal although the work ignores its own, and aborts that', async () => {
    const reason = new Error('enough')
    const caller = new AbortController()
    const { work, started } = endlessWork()
    const rejection = rejectionOf(withTimeout(work, { timeoutMs: 1_000, signal: caller.signal }))
    expect(vi.getTimerCount()).toBe(1)
    caller.abort(reason)
    expect(await rejection).toBe(reason)
    expect(started.signal?.reason).toBe(reason)
    expect(vi.getTimerCount()).toBe(0)
    expect(getEventListeners(caller.signal, 'abort')).toStrictEqual([])
  })

  test('does not start the work when the outer signal is aborted already', async () => {
    const reason = new Error('enough')
    const work = vi.fn(() => Promise.resolve())
    const signal = AbortSignal.abort(reason)
    expect(await rejectionOf(withTimeout(work, { timeoutMs: 1_000, signal }))).toBe(reason)
    expect(work).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
    expect(getEventListeners(signal, 'abort')).toStrictEqual([])
  })

  test('has no unhandled rejection when the work fails after the timeout', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const { promise, reject } = deferred<never>()
    const rejection = rejectionOf(withTimeout(() => promise, { timeoutMs: 5 }))
    await vi.advanceTimersByTimeAsync(5)
    expect(await rejection).toMatchObject({ name: 'TimeoutError' })
    reject(new Error('late'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('ignores an abort of the outer signal after the work ended', async () => {
    const caller = new AbortController()
    const inner: AbortSignal[] = []
    const value = await withTimeout(
      (signal) => {
        inner.push(signal)
        return Promise.resolve('value')
      },
      { signal: caller.signal },
    )
    caller.abort()
    expect(value).toBe('value')
    expect(inner[0]?.aborted).toBe(false)
  })
})

test('timeoutError names the operation and the time', () => {
  const error = timeoutError('The signer', 5)
  expect(error).toBeInstanceOf(DOMException)
  expect(error).toMatchObject({ name: 'TimeoutError', message: 'The signer took longer than 5 ms' })
})

describe('backOff', () => {
  test('starts with firstMs, doubles with each attempt, and never exceeds maxMs', () => {
    const limits = fc
      .tuple(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 1_000_000 }))
      .map(([firstMs, extraMs]) => ({ firstMs, maxMs: firstMs + extraMs }))
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: 2_000 }), (given, attempt) => {
        const { firstMs, maxMs } = given
        expect(backOff(1, given)).toBe(firstMs)
        expect(backOff(attempt + 1, given)).toBe(Math.min(maxMs, 2 * backOff(attempt, given)))
        expect(backOff(attempt, given)).toBeLessThanOrEqual(maxMs)
      }),
    )
  })

  test('is maxMs when firstMs is larger', () => {
    expect(backOff(1, { firstMs: 500, maxMs: 100 })).toBe(100)
  })
})

describe('repeatTransient', () => {
  const failing = (failures: number) => {
    let calls = 0
    const statement = async () => {
      calls += 1
      if (calls <= failures) throw new Error(`failure ${calls}`)
      return calls
    }
    return { statement, calls: () => calls }
  }

  test('repeats a transient failure, with a pause of at most 100 ms', async () => {
    const { statement } = failing(9)
    const repeated = repeatTransient(statement, () => true)
    for (let pause = 0; pause < 9; pause++) await vi.advanceTimersByTimeAsync(100)
    expect(await repeated).toBe(10)
  })

  test('rejects with the last error after ten attempts', async () => {
    const { statement, calls } = failing(20)
    const error = rejectionOf(repeatTransient(statement, () => true))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await error).toMatchObject({ message: 'failure 10' })
    expect(calls()).toBe(10)
  })

  test('does not repeat a failure that is not transient', async () => {
    const { statement, calls } = failing(1)
    expect(await rejectionOf(repeatTransient(statement, () => false))).toMatchObject({ message: 'failure 1' })
    expect(calls()).toBe(1)
  })
})
