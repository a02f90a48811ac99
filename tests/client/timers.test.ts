import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type ClientOptions, createOrderSyncClient, type OrderInput, parsePrivateKey } from '../../src/public/index.ts'
import { until } from '../support/deferred.ts'
import { merchantRsa } from '../support/keys.ts'
import { merchantCredentials, NOW, order, refusal, signedResponse, success } from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'

vi.mock('node:timers/promises', () => import('../support/timers.ts'))

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
})

const ORDER = order() as unknown as OrderInput

const createClient = (options: Partial<ClientOptions>) =>
  createOrderSyncClient({ credentials: merchantCredentials(), environment: 'testing', now: () => NOW, ...options })

describe('a retry', () => {
  /** The times at which attempts send the order, in milliseconds since the first one. */
  async function sendingTimes(options: Partial<ClientOptions>): Promise<number[]> {
    const times: number[] = []
    let isPausing = false
    const client = createClient({
      ...options,
      fetch() {
        times.push(performance.now())
        return Promise.reject(new Error('down'))
      },
      random() {
        isPausing = true
        return 0.5
      },
    })
    let isDone = false
    const error = rejectionOf(client.syncOrder(ORDER)).finally(() => {
      isDone = true
    })
    // Advance the clock only in the pauses: orders are signed on the thread pool, which fake timers do not control.
    await until(async () => {
      if (isPausing) {
        isPausing = false
        await vi.advanceTimersToNextTimerAsync()
      }
      return isDone
    })
    expect(await error).toMatchObject({ code: 'ERR_NETWORK' })
    return times.map((time) => time - (times[0] ?? 0))
  }

  test('follows after a random part of a ceiling that doubles up to maxDelayMs', async () => {
    const options = { retries: 4, baseDelayMs: 100, maxDelayMs: 300 }
    expect(await sendingTimes(options)).toStrictEqual([0, 50, 150, 300, 450])
  })
})

describe('the timer of an attempt', () => {
  const responseOf = (message: unknown) => {
    const { headers, body } = signedResponse(message)
    return Promise.resolve(new Response(Buffer.from(body), { headers }))
  }
  const never = () => new Promise<Response>(() => {})

  /** Sends an order, and counts the timers while fetch runs. */
  function startSync(respond: () => Promise<Response>, caller?: AbortSignal) {
    const seen: { signal?: AbortSignal | null | undefined; timers?: number } = {}
    const client = createClient({
      retries: 0,
      timeoutMs: 1_000,
      fetch(_url, init) {
        seen.signal = init?.signal
        seen.timers = vi.getTimerCount()
        return respond()
      },
    })
    const outcome = client.syncOrder(ORDER, { signal: caller }).then(
      () => 'success',
      (error: Error & { code?: string }) => error.code ?? error.message,
    )
    return { outcome, seen, fetchStarted: until(() => seen.timers !== undefined) }
  }

  test.each<[string, () => Promise<Response>, string]>([
    ['a success', () => responseOf(success()), 'success'],
    ['a refusal', () => responseOf(refusal('PROCESS_FAIL')), 'ERR_REFUSED'],
    ['a network failure', () => Promise.reject(new Error('down')), 'ERR_NETWORK'],
  ])('is cleared after %s, and the signal of fetch is not aborted', async (_, respond, expected) => {
    const { outcome, seen } = startSync(respond)
    expect(await outcome).toBe(expected)
    expect(seen.timers).toBe(1)
    expect(seen.signal?.aborted).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('ends an attempt after timeoutMs when fetch never ends, and aborts the signal of fetch', async () => {
    const { outcome, seen, fetchStarted } = startSync(never)
    await fetchStarted
    await vi.advanceTimersByTimeAsync(999)
    expect(seen.signal?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(await outcome).toBe('ERR_TIMEOUT')
    expect(seen.signal?.aborted).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is cleared after an abort by the caller, when fetch never ends', async () => {
    const caller = new AbortController()
    const { outcome, seen, fetchStarted } = startSync(never, caller.signal)
    await fetchStarted
    expect(seen.timers).toBe(1)
    caller.abort(new Error('enough'))
    expect(await outcome).toBe('enough')
    expect(seen.signal?.aborted).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  test.each([
    { suspendedMs: 999, outcome: 'success', requests: 1 },
    { suspendedMs: 1_001, outcome: 'ERR_TIMEOUT', requests: 0 },
  ])(
    'counts the $suspendedMs ms for which the process was suspended while it signed: $outcome',
    async ({ suspendedMs, outcome, requests }) => {
      const fetch = vi.fn(() => responseOf(success()))
      const sign = (bytes: Uint8Array) => {
        // The time has passed, and the timer that is over runs after the signature arrives.
        vi.spyOn(performance, 'now').mockReturnValue(performance.now() + suspendedMs)
        return parsePrivateKey(merchantRsa().privateKey).sign(bytes)
      }
      const credentials = { ...merchantCredentials(), privateKeys: { 1: { algorithm: 'RSA256' as const, sign } } }
      const client = createClient({ retries: 0, timeoutMs: 1_000, credentials, fetch })
      const error = client.syncOrder(ORDER).then(
        () => 'success',
        ({ code }: { code?: string }) => code,
      )
      expect(await error).toBe(outcome)
      expect(fetch).toHaveBeenCalledTimes(requests)
    },
  )
})
