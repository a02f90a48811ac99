import type { IncomingRequest } from '../../src/public/index.ts'
import { createTestOrder, createTestPeer } from '../../src/public/testing.ts'
import type { Context, Page } from '../support/browser.ts'
import type { ConsoleWorld } from './world.ts'

/** 10,000 a minute, in groups: a timer is not exact to the millisecond. */
const GROUP_MS = 30
const GROUP = 5
/** Different orders. Each of them arrives again and again: a replay costs the handler less than a new order costs the test. */
const ORDERS = 600

/** Delivers 10,000 orders a minute until it is stopped. Returns how many there were. */
export async function startDeliveries({ handler, peerCredentials }: ConsoleWorld): Promise<() => Promise<number>> {
  const requests: IncomingRequest[] = []
  const peer = createTestPeer(
    (request) => {
      requests.push(request)
      return handler(request)
    },
    { credentials: peerCredentials },
  )
  for (let index = 0; index < ORDERS; index++) await peer.send(createTestOrder())
  const startedAt = performance.now()
  let count = 0
  let sent: Promise<unknown> = Promise.resolve()
  const deliver = () => {
    // What the timer has missed is made up for.
    const due = Math.floor((performance.now() - startedAt) / GROUP_MS) * GROUP
    for (; count < due; count++) {
      const request = requests[count % ORDERS]
      if (request !== undefined) sent = Promise.all([sent, handler(request)])
    }
  }
  const timer = setInterval(deliver, GROUP_MS)
  return async () => {
    clearInterval(timer)
    await sent
    return count
  }
}

export const ACTIONS = ['filter', 'clear', 'open', 'scroll', 'close'] as const
/** Milliseconds from each action until its effect is painted, and how often the inbox was updated meanwhile. */
export type Reactions = Readonly<Record<(typeof ACTIONS)[number] | 'updates', number>>

/** Uses the page as a person does, once: filters, opens a delivery, scrolls, and closes it. */
export const react = (page: Page) => page.evaluate<Reactions>(ROUND)

const ROUND = `(async () => {
  const find = (selector) => document.querySelector(selector)
  const painted = () => new Promise((resolve) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = resolve
    port2.postMessage(0)
  }))
  const timed = async (action, isDone) => {
    const start = performance.now()
    action()
    while (!isDone()) {
      if (performance.now() > start + 10_000) throw new Error('No effect of ' + action + ', ' + find('main').innerText.slice(-300))
      await painted()
    }
    await painted()
    return performance.now() - start
  }
  const type = (text) => () => {
    const input = find('input[type=search]')
    input.value = text
    input.dispatchEvent(new Event('input', { bubbles: true }))
  }
  const rows = () => document.querySelectorAll('.inbox tbody tr').length
  const list = find('.inbox .scroll')
  let updates = 0
  const observer = new MutationObserver(() => updates++)
  observer.observe(find('.inbox tbody'), { childList: true })
  const filter = await timed(type('no such order'), () => rows() === 0)
  const clear = await timed(type(''), () => rows() > 400)
  // On a busy machine, the row can be older than the 3 s for which the console keeps 500 deliveries.
  const open = await timed(() => find('.inbox tbody a').click(), () => find('.detail h2, .detail [role=alert]'))
  const scroll = await timed(() => { list.scrollTop = 4000 }, () => list.scrollTop > 3000)
  list.scrollTop = 0
  const close = await timed(() => { location.hash = 'inbox' }, () => !find('.detail'))
  observer.disconnect()
  return { filter, clear, open, scroll, close, updates }
})()`

/** Measures a page over the protocol of its developer tools. */
export async function createMeter(context: Context, page: Page) {
  const session = await context.newCDPSession(page)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  return {
    /** Milliseconds of processor time of its main thread: unlike a duration, it does not depend on other programs. */
    async processorTime(): Promise<number> {
      const { metrics } = await session.send<{ metrics: { name: string; value: number }[] }>('Performance.getMetrics')
      return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN) * 1_000
    },
    /** Its live memory in bytes, and the elements and texts of its document. */
    async memory(): Promise<{ heap: number; nodes: number }> {
      await session.send('HeapProfiler.collectGarbage')
      const { usedSize } = await session.send<{ usedSize: number }>('Runtime.getHeapUsage')
      const { nodes } = await session.send<{ nodes: number }>('Memory.getDOMCounters')
      return { heap: usedSize, nodes }
    },
  }
}
