import { tracingChannel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { TRACE_NAMES, traced } from '../../src/telemetry/channels.ts'
import { merchant } from '../support/merchant.ts'
import { CLIENT_ID, encryptedRequest, order, request } from '../support/messages.ts'

/** Records what the channels publish until the end of the test. */
function record(changes: { readonly start?: (message: object) => void } = {}) {
  const published: { readonly name: string; readonly step: string; readonly message: Record<string, unknown> }[] = []
  for (const name of TRACE_NAMES) {
    const channel = tracingChannel(`alipayhk-order-sync:${name}`)
    const note = (step: string) => (message: object) => {
      if (step === 'start') changes.start?.(message)
      published.push({ name, step, message: message as Record<string, unknown> })
    }
    const steps = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const
    const subscribers = Object.fromEntries(steps.map((step) => [step, note(step)])) as unknown as Parameters<
      typeof channel.subscribe
    >[0]
    channel.subscribe(subscribers)
    onTestFinished(() => void channel.unsubscribe(subscribers))
  }
  return published
}

const namesOf = (published: ReturnType<typeof record>, step: string) =>
  published.filter((one) => one.step === step).map(({ name }) => name)

describe('tracing channels of a handler', () => {
  test('publish each step of an encrypted order, nested in handle', async () => {
    const published = record()
    const { handler } = merchant()
    await handler(encryptedRequest())
    expect(namesOf(published, 'start')).toEqual(['handle', 'verify', 'decrypt', 'store', 'onOrder', 'store', 'sign'])
    expect(namesOf(published, 'asyncEnd').at(-1)).toBe('handle')
    const contextOf = (step: string) => published.find(({ name }) => name === step)?.message
    expect(contextOf('verify')).toMatchObject({ clientId: CLIENT_ID, keyVersion: '1' })
    expect(contextOf('decrypt')).toMatchObject({ clientId: CLIENT_ID, keyVersion: '1' })
    expect(contextOf('sign')).toMatchObject({ clientId: CLIENT_ID, keyVersion: '1', message: 'response' })
    expect(published.findLast(({ name }) => name === 'handle')?.message).toMatchObject({
      kind: 'processed',
      code: 'SUCCESS',
      status: 200,
      tracerId: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
    expect(published.find(({ name, step }) => name === 'store' && step === 'asyncEnd')?.message).toMatchObject({
      operation: 'claim',
      decision: 'process',
    })
  })

  test('publish errors without foreign text, and the order gets the same response as without subscribers', async () => {
    const published = record()
    const onOrder = vi.fn(() => Promise.reject(new TypeError('SECRET of USER-2088012345678901')))
    const { handler, events } = merchant({ onOrder })
    const response = await handler(request())
    expect(response.status).toBe(200)
    expect(events).toMatchObject([{ kind: 'failed', code: 'ERR_ON_ORDER' }])
    expect(onOrder).toHaveBeenCalledOnce()
    const errors = published.filter(({ step }) => step === 'error')
    expect(errors.map(({ name, message }) => [name, (message['error'] as { code: string }).code])).toEqual([
      ['onOrder', 'ERR_ON_ORDER'],
    ])
    expect(inspect(published, { depth: 9, showHidden: true })).not.toContain('SECRET of')
  })

  test('contain neither the order nor a result', async () => {
    const published = record()
    const { handler } = merchant()
    await handler(request())
    const printed = inspect(published, { depth: 20, showHidden: true }) + JSON.stringify(published)
    const { tradeNo, merchantBizNo, userId } = order()
    for (const secret of [tradeNo, merchantBizNo, userId, 'NOTE-for', 'A-1']) expect(printed).not.toContain(secret)
  })
})

describe('traced', () => {
  test('runs the work without a context if there is no subscriber', async () => {
    const describeContext = vi.fn(() => ({ operation: 'claim' }))
    expect(await traced('store', describeContext, async (context) => context)).toBeUndefined()
    expect(describeContext).not.toHaveBeenCalled()
  })

  const broken: readonly [string, unknown][] = [
    ['never calls it', async () => undefined],
    [
      'throws',
      () => {
        throw new Error('of the subscriber')
      },
    ],
    ['rejects', () => Promise.reject(new Error('of the subscriber'))],
    [
      'calls it twice',
      async (work: () => Promise<unknown>) => {
        await Promise.all([work(), work()])
      },
    ],
    ['never settles', () => new Promise(() => {})],
    [
      'calls it, and never settles',
      async (work: () => Promise<unknown>) => {
        await work()
        await new Promise(() => {})
      },
    ],
    ['drops its promise', (work: () => Promise<unknown>) => void work()],
    ['does not wait for it', async (work: () => Promise<unknown>) => void work().catch(() => {})],
  ]
  test.each(broken)('runs the work once, and returns its result, when "run" of a subscriber %s', async (_, run) => {
    record({ start: (message) => void Object.assign(message, { run }) })
    const work = vi.fn(async () => 'result')
    expect(await traced('store', () => ({ operation: 'claim' }), work)).toBe('result')
    const failing = vi.fn(() => Promise.reject(new Error('of the work')))
    await expect(traced('store', () => ({ operation: 'claim' }), failing)).rejects.toThrow('of the work')
    expect([work.mock.calls.length, failing.mock.calls.length]).toEqual([1, 1])
  })

  test('rejects with the error of the work itself', async () => {
    record()
    const error = new Error('own')
    await expect(
      traced(
        'store',
        () => ({ operation: 'claim' }),
        () => Promise.reject(error),
      ),
    ).rejects.toBe(error)
    await expect(
      traced(
        'store',
        () => ({ operation: 'claim' }),
        () => {
          throw error
        },
      ),
    ).rejects.toBe(error)
  })
})
