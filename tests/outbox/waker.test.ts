import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createWaker } from '../../src/outbox/waker.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
})

/** Whether a promise has settled, after all callbacks that are due. */
async function isSettled(promise: Promise<void>): Promise<boolean> {
  const unsettled = Symbol('unsettled')
  await new Promise((resolve) => setImmediate(resolve))
  return (await Promise.race([promise, unsettled])) !== unsettled
}

test('a wait ends after its time', async () => {
  const waiting = createWaker().wait(1_000)
  await vi.advanceTimersByTimeAsync(999)
  expect(await isSettled(waiting)).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(await isSettled(waiting)).toBe(true)
})

test('a wait ends at wake(), without its timer, and the next wait does not end', async () => {
  const waker = createWaker()
  const waiting = waker.wait(1_000)
  waker.wake()
  expect(await isSettled(waiting)).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
  expect(await isSettled(waker.wait(1_000))).toBe(false)
})

test('wake() before a wait ends the next wait, and only that one', async () => {
  const waker = createWaker()
  waker.wake()
  waker.wake()
  expect(await isSettled(waker.wait(1_000))).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
  expect(await isSettled(waker.wait(1_000))).toBe(false)
})

test('wake() after a wait that ended by itself ends the next wait', async () => {
  const waker = createWaker()
  const first = waker.wait(10)
  await vi.advanceTimersByTimeAsync(10)
  expect(await isSettled(first)).toBe(true)
  expect(await isSettled(waker.wait(1_000))).toBe(false)
  waker.wake()
  expect(await isSettled(waker.wait(1_000))).toBe(true)
})
