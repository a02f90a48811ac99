import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { median } from '../../benchmarks/measure.ts'
import { ORDER_SYNC_PATH } from '../../src/public/index.ts'
import { createTestOrder, createTestPeer } from '../../src/public/testing.ts'
import {
  type Browser,
  type Context,
  type Locator,
  type Page,
  seriousProblems,
  startBrowser,
} from '../support/browser.ts'
import { ACTIONS, createMeter, type Reactions, react, startDeliveries } from './page-load.ts'
import { type ConsoleWorld, fillInbox, startConsole } from './world.ts'

/** SHORT is set where the tests have run on another runtime already: the page is the same. */
const browser: Browser | undefined = process.env['SHORT'] === undefined ? await startBrowser() : undefined
afterAll(() => browser?.close())

/** Whatever the test does: no error, no dialog, and no request to another place. */
interface Watched {
  readonly page: Page
  readonly problems: string[]
}

const textOf = async (locator: Locator) => (await locator.allInnerTexts()).join('\n')

async function open(context: Context, world: ConsoleWorld): Promise<Watched> {
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  const problems: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text())
  })
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('dialog', (dialog) => {
    problems.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(world.url) && !request.url().startsWith('data:,')) problems.push(request.url())
  })
  await page.goto(world.url)
  await page.locator('.live.on').waitFor()
  return { page, problems }
}

describe.skipIf(browser === undefined)('the page', () => {
  let world: ConsoleWorld
  let context: Context
  let page: Page
  let problems: string[]

  beforeAll(async () => {
    world = await startConsole()
    await fillInbox(world)
  })
  afterAll(() => world.close())
  beforeEach(async () => {
    if (browser === undefined) return
    context = await browser.newContext({ viewport: { width: 1400, height: 900 } })
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    ;({ page, problems } = await open(context, world))
  })
  afterEach(async () => {
    await context.close()
    expect(problems).toEqual([])
  })

  const inbox = () => page.locator('.inbox tbody tr')
  const inboxText = () => inbox().allInnerTexts()
  const openRow = async (words: string) => {
    await inbox().locator(`text=${words}`).first().click()
    await page.locator('.detail h2').waitFor()
  }

  test('shows a delivery as soon as it is received, newest first', async () => {
    await world.peer.send(createTestOrder({ merchantBizNo: 'WATCHED-7777' }))
    await page.getByText('••••7777').first().waitFor()
    expect((await inboxText())[0]).toMatch(/processed\s+••••7777\s+200\s+SUCCESS/)
  })

  test('filters by kind and by text', async () => {
    await inbox().first().waitFor()
    await page.keyboard.press('/')
    await page.getByLabel('Filter by text').fill('err_signature ••••0008')
    expect(await inbox().count()).toBe(1)
    await page.getByLabel('Filter by text').fill('nothing like this')
    await page.getByText('No delivery matches the filter.').waitFor()
    await page.getByLabel('Filter by text').press('Escape')
    const all = await inbox().count()
    await page.getByRole('button', { name: /^rejected \d+$/ }).click()
    const rest = await inboxText()
    expect(rest.length).toBeLessThan(all)
    expect(rest.filter((text) => text.includes('rejected'))).toEqual([])
  })

  test('can be used with the keyboard alone', async () => {
    await inbox().first().waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await page.keyboard.press('k')
    expect(await page.evaluate('document.activeElement.closest("tr").rowIndex')).toBe(1)
    await page.keyboard.press('Enter')
    await page.locator('.detail h2').waitFor()
    expect(await inbox().first().getAttribute('class')).toBe('open')
    await page.keyboard.press('g')
    await page.locator('.detail').waitFor({ state: 'hidden' })
  })

  test('explains a rejected delivery, and the change that fixes it', async () => {
    await openRow('0008')
    const fix = page.locator('.fix')
    await fix.waitFor()
    expect(await textOf(fix)).toMatch(
      /How to fix it\s+path The sender signed the path \S+sync\/, .* Set the option "signedPath"/s,
    )
    expect(await textOf(page.locator('.facts').first())).toContain('rejected: The signature does not verify')
    expect(await page.getByText('The signature covers this text:').count()).toBe(1)
  })

  test('shows the timeline to scale, the signed bytes and their control characters', async () => {
    await page.getByLabel('Filter by text').fill('processed ••••0001')
    await openRow('0001')
    expect(await page.locator('.timeline li').count()).toBe(9)
    const widths = await page.evaluate<number[]>(
      '[...document.querySelectorAll(".timeline rect")].map((bar) => bar.width.baseVal.value)',
    )
    // Steps that are too short are drawn 2 of 1,000 wide.
    const total = widths.reduce((sum, width) => sum + width, 0)
    expect(total).toBeGreaterThan(999)
    expect(total).toBeLessThan(1_020)
    const signed = page.getByLabel('Signed content')
    expect(await textOf(signed)).toMatch(/^POST \/api\S+LF\nTEST-CLIENT\.2\S+\.\{?/)
    await page.locator('.bytes').first().locator('button:text-is("Bytes")').click()
    expect(await textOf(signed)).toMatch(/^00000 {2}50 4f 53 54 20 2f .* POST \/api/)
  })

  test('replays a delivery', async () => {
    await page.getByLabel('Filter by text').fill('processed ••••0001')
    await openRow('0001')
    const before = await inbox().count()
    await page.getByLabel('Filter by text').fill('')
    await page.getByRole('button', { name: 'Replay, sign again' }).click()
    await page.getByText('HTTP 200, SUCCESS, signed').waitFor()
    await page.getByRole('button', { name: 'Replay', exact: true }).click()
    await page.getByText(/^HTTP 200, signed/).waitFor()
    await page.getByLabel('Filter by text').fill('••••0001 replay')
    await expect.poll(() => inbox().count()).toBeGreaterThanOrEqual(before + 1)
  })

  test('copies a delivery only when customer data is shown', async () => {
    await page.getByLabel('Filter by text').fill('processed ••••0001')
    await openRow('0001')
    const copy = page.getByRole('button', { name: 'Copy as curl' })
    expect(await copy.isDisabled()).toBe(true)
    await page.keyboard.press('m')
    await page.getByText('BIZ-2026-0001').first().waitFor()
    await copy.click()
    await page.getByText(/^Copied a curl command/).waitFor()
    expect(await page.evaluate('navigator.clipboard.readText()')).toMatch(/^curl -sS -X 'POST' 'http/)
    await page.getByRole('button', { name: 'Copy as test fixture' }).click()
    await page.getByText(/^Copied a test fixture/).waitFor()
    expect(await page.evaluate('navigator.clipboard.readText()')).toContain('export const delivery')
  })

  test('sends a tampered order, which is rejected', async () => {
    await page.getByRole('link', { name: 'Send' }).click()
    await page.getByLabel('merchantBizNo *').fill('TAMPERED-5150')
    await page.getByRole('button', { name: 'Tampered' }).click()
    await page.getByText('HTTP 401, INVALID_SIGNATURE, not signed').waitFor()
    await page.getByRole('link', { name: 'Inbox' }).click()
    await inbox().locator('text=5150').first().waitFor()
    expect((await inboxText()).find((text) => text.includes('5150'))).toMatch(/rejected.*ERR_SIGNATURE_INVALID/s)
  })

  test('validates the order during typing', async () => {
    await page.getByRole('link', { name: 'Send' }).click()
    await page.getByText('The order is valid.').waitFor()
    await page.getByLabel('amount.value', { exact: true }).fill('10.50')
    await page.getByText('must be a string of 1 to 64 digits').waitFor()
    await page.getByLabel('orderModifyTime *').fill('soon')
    await page.getByText('The order breaks 2 rules.').waitFor()
    expect(await page.getByLabel('orderModifyTime *').getAttribute('aria-invalid')).toBe('true')
    await page.getByRole('button', { name: 'New order' }).click()
    await page.getByText('The order is valid.').waitFor()
  })

  test('shows one order on a time axis, and names a wrong unit', async () => {
    const seconds = Math.floor(Date.now() / 1_000)
    await world.peer.send(
      createTestOrder({ merchantBizNo: 'SECONDS-6060', orderCreateTime: seconds, orderModifyTime: seconds }),
    )
    await inbox().locator('text=6060').first().click()
    await page.getByRole('link', { name: 'All events of this order' }).click()
    await page.getByText(/is in seconds/).waitFor()
    expect(await page.locator('.axis circle').count()).toBe(2)
  })

  test('draws the charts', async () => {
    await page.getByRole('link', { name: 'Charts' }).click()
    await page.getByText('Deliveries a minute, by kind').waitFor()
    expect(await page.locator('svg.chart').count()).toBe(3)
    expect(await textOf(page.locator('.legend'))).toMatch(/processed \d+/)
  })

  test('retries an order of the outbox, and asks for confirmation before it discards one', async () => {
    await page.getByRole('link', { name: 'Outbox' }).click()
    await page.getByRole('button', { name: 'Retry ••••0031' }).click()
    await page.getByText('The order is queued again.').waitFor()
    await page.getByRole('button', { name: 'Discard ••••0032', exact: true }).click()
    expect(world.outbox.discarded).toEqual([])
    await page.getByRole('button', { name: 'Discard ••••0032 for good' }).click()
    await page.getByText('The order is discarded.').waitFor()
    expect(world.outbox).toMatchObject({ retried: ['31'], discarded: ['32'] })
    expect(await page.locator('tbody tr').count()).toBe(1)
  })

  test('masks customer data until the user shows it, only for this tab and until a reload', async () => {
    await inbox().first().waitFor()
    const content = () => page.evaluate<string>('document.documentElement.outerHTML')
    expect(await content()).not.toContain('BIZ-2026')
    await page.getByRole('button', { name: 'Customer data: masked' }).click()
    await page.getByText('BIZ-2026-0001').first().waitFor()
    const other = await open(context, world)
    await other.page.getByText('••••0001').first().waitFor()
    expect(await other.page.evaluate<string>('document.documentElement.outerHTML')).not.toContain('BIZ-2026')
    await page.reload()
    await page.getByText('••••0001').first().waitFor()
    expect(await content()).not.toContain('BIZ-2026')
    expect(other.problems).toEqual([])
  })

  test.each(['light', 'dark'])('axe finds no serious violation (%s)', async (colorScheme) => {
    const dark = await browser?.newContext({ colorScheme, viewport: { width: 1400, height: 900 } })
    if (dark === undefined) return
    const opened = await open(dark, world)
    for (const view of ['inbox', 'send', 'charts', 'outbox']) {
      await opened.page.goto(`${world.url}#${view}`)
      await opened.page.locator('main section').first().waitFor()
      expect(await seriousProblems(opened.page), view).toEqual([])
    }
    await opened.page.goto(`${world.url}#inbox`)
    await opened.page.locator('tbody tr').locator('text=0008').first().click()
    await opened.page.locator('.fix').waitFor()
    expect(await seriousProblems(opened.page), 'delivery').toEqual([])
    await opened.page.getByRole('link', { name: 'All events of this order' }).click()
    await opened.page.locator('.axis').waitFor()
    expect(await seriousProblems(opened.page), 'order').toEqual([])
    expect(opened.problems).toEqual([])
    await dark.close()
  })

  test('fits on a telephone', async () => {
    await page.setViewportSize({ width: 390, height: 800 })
    await inbox().first().waitFor()
    const overflow = () => page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
    for (const view of ['inbox', 'send', 'charts', 'outbox']) {
      await page.goto(`${world.url}#${view}`)
      await page.locator('main section').first().waitFor()
      expect(await overflow(), view).toBeLessThanOrEqual(0)
    }
    await page.goto(`${world.url}#inbox`)
    await openRow('0008')
    await page.locator('.fix').waitFor()
    expect(await overflow()).toBeLessThanOrEqual(0)
    await page.getByRole('link', { name: '← Inbox' }).click()
    await inbox().first().waitFor()
  })
})

const SCRIPT = `<img src=x onerror="window.hacked=1">"'><script>window.hacked=1</script>\${window.hacked=1}`

describe.skipIf(browser === undefined)('hostile input', { timeout: 60_000 }, () => {
  let world: ConsoleWorld
  let context: Context
  beforeEach(async () => {
    world = await startConsole({ maxBytes: 8_000_000 })
    if (browser !== undefined) context = await browser.newContext({ viewport: { width: 1400, height: 900 } })
  })
  afterEach(async () => {
    await context.close()
    await world.close()
  })

  /** Opens every delivery, with customer data, in every form, and its order. */
  async function openEverything({ page }: Watched): Promise<void> {
    await page.keyboard.press('m')
    await page.locator('.inbox tbody tr').first().waitFor()
    const links = page.locator('.inbox tbody tr a')
    const count = await links.count()
    for (let index = 0; index < count; index++) {
      await links.nth(index).click()
      await page.locator('.detail h2').waitFor()
      for (const form of ['Bytes', 'JSON', 'Text']) {
        const buttons = page.locator(`.modes button:text-is("${form}")`)
        for (let at = 0; at < (await buttons.count()); at++) await buttons.nth(at).click()
      }
      const order = page.getByRole('link', { name: 'All events of this order' })
      if ((await order.count()) > 0) {
        await order.click()
        await page.locator('.detail table').first().waitFor()
        await page.goto(`${world.url}#inbox`)
      }
    }
    for (const view of ['charts', 'outbox', 'send']) {
      await page.goto(`${world.url}#${view}`)
      await page.locator('main section').first().waitFor()
    }
  }

  test('shows a script in every field of an order, in headers and in the path, and does not run it', async () => {
    const order = createTestOrder()
    const text = (name: string) => `${name}${SCRIPT}`
    const hostile = {
      ...Object.fromEntries(
        Object.entries(order).map(([name, value]) => [name, typeof value === 'string' ? text(name) : value]),
      ),
      requestId: order.requestId,
      merchantBizType: order.merchantBizType,
      amount: { value: '1', currency: 'HKD', [SCRIPT]: SCRIPT },
      extInfo: { [SCRIPT]: [SCRIPT] },
      [SCRIPT]: SCRIPT,
    }
    await world.peer.send(hostile)
    await world.peer.send({ ...hostile, requestId: SCRIPT.replaceAll(' ', '') })
    await world.peer.send(hostile, { tamper: 'body' })
    const headers = {
      'client-id': SCRIPT,
      'tracer-id': SCRIPT,
      signature: SCRIPT,
      encrypt: SCRIPT,
      'content-type': SCRIPT,
    }
    const body = Buffer.from(JSON.stringify(hostile))
    for (const [name, value] of Object.entries(headers)) {
      await world.handler({
        method: 'POST',
        path: ORDER_SYNC_PATH,
        headers: { 'client-id': 'TEST-CLIENT', [name]: value },
        body,
      })
    }
    await world.handler({
      method: 'POST',
      path: `${ORDER_SYNC_PATH}?${SCRIPT}`,
      headers: { ...headers, [SCRIPT]: SCRIPT },
      body,
    })
    await world.handler({ method: SCRIPT, path: SCRIPT, headers, body })
    await world.client.syncOrder({ ...order, merchantBizNo: text('merchantBizNo') })
    const opened = await open(context, world)
    await openEverything(opened)
    expect(await opened.page.evaluate('window.hacked')).toBeUndefined()
    expect(await opened.page.locator('img, iframe, object, embed, script[src]').count()).toBe(0)
    expect(opened.problems).toEqual([])
  })

  test('the Content-Security-Policy of the page blocks an injected script', async () => {
    const { page } = await open(context, world)
    const result = await page.evaluate(`(() => {
      const script = document.createElement('script')
      try { script.textContent = 'window.hacked = 1' } catch (error) { return error.name }
      document.body.append(script)
      return window.hacked ?? 'not run'
    })()`)
    expect(['TypeError', 'not run']).toContain(result)
    expect(
      await page.evaluate('(() => { try { document.body.innerHTML = "<b>" } catch (error) { return error.name } })()'),
    ).toBe('TypeError')
  })

  test('a body of 1 MiB, binary bodies and odd characters can be opened', async () => {
    const { peer, peerCredentials, handler } = world
    await peer.send(createTestOrder({ extInfo: { large: 'x'.repeat(1_000_000) } }))
    await peer.send(createTestOrder({ tradeNo: '\u0000\u001b[31m\u202e\ufeff\u{1f600}\ud800' }))
    const binary = Buffer.from(Array.from({ length: 4_096 }, (_, index) => index % 256))
    const changed = createTestPeer((request) => handler({ ...request, body: binary }), { credentials: peerCredentials })
    await changed.send(createTestOrder())
    const opened = await open(context, world)
    await openEverything(opened)
    expect(opened.problems).toEqual([])
  })

  test('an open delivery stays open after the console has forgotten it, until its data must be masked', async () => {
    const small = await startConsole({ maxDeliveries: 3 })
    await small.peer.send(createTestOrder({ merchantBizNo: 'BIZ-KEPT-4141' }))
    const { page, problems } = await open(context, small)
    await page.keyboard.press('m')
    await page.locator('.inbox tbody a').first().click()
    await page.locator('.detail h2').waitFor()
    for (let count = 0; count < 4; count++) await small.peer.send(createTestOrder({ merchantBizNo: `NEXT-${count}` }))
    await page.getByText('NEXT-3').first().waitFor()
    await page.getByText(/not in the console any more/).waitFor()
    expect(await textOf(page.locator('.detail h2'))).toContain('BIZ-KEPT-4141')
    expect(await page.getByRole('button', { name: 'Replay', exact: true }).count()).toBe(0)
    await page.keyboard.press('m')
    await page.getByText(/no longer has this delivery/).waitFor()
    expect(await page.evaluate<string>('document.documentElement.outerHTML')).not.toContain('BIZ-KEPT')
    // The browser reports the 404.
    expect(problems.filter((text) => !text.includes('404'))).toEqual([])
    await small.close()
  })

  test('2,000 deliveries at full speed leave the page usable and its size bounded', async () => {
    const opened = await open(context, world)
    const { page, problems } = opened
    const order = createTestOrder()
    for (let index = 0; index < 40; index++) {
      const batch = Array.from({ length: 50 }, (_, at) => ({
        ...order,
        requestId: `${order.requestId.slice(8)}${index}x${at}`,
      }))
      await Promise.all(batch.map((sent) => world.peer.send(sent)))
    }
    await world.peer.send(createTestOrder({ merchantBizNo: 'THE-LAST-9999' }))
    await page.getByText('••••9999').first().waitFor()
    expect(await page.locator('.inbox tbody tr').count()).toBe(500)
    await page.getByLabel('Filter by text').fill('••••9999')
    await expect.poll(() => page.locator('.inbox tbody tr').count()).toBe(1)
    await page.locator('.inbox tbody a').click()
    await page.locator('.detail h2').waitFor()
    expect(problems).toEqual([])
  })
})

/** `CONSOLE_SECONDS=60` gives the figures of benchmarks/HISTORY.md. */
const SECONDS = Number(process.env['CONSOLE_SECONDS'] ?? 10)

test.skipIf(browser === undefined)(
  '10,000 deliveries a minute leave the page usable and its memory bounded',
  async () => {
    const world = await startConsole()
    const context = await browser?.newContext({ viewport: { width: 1400, height: 900 } })
    if (context === undefined) return
    const { page, problems } = await open(context, world)
    const meter = await createMeter(context, page)
    const stop = await startDeliveries(world)
    await expect.poll(() => page.locator('.inbox tbody tr').count(), { timeout: 20_000 }).toBe(500)
    const before = await meter.memory()
    const startedAt = { clock: performance.now(), processor: await meter.processorTime() }
    const rounds: Reactions[] = []
    while (performance.now() < startedAt.clock + SECONDS * 1_000) {
      rounds.push(await react(page))
      expect(await page.locator('.inbox tbody tr').count()).toBeLessThanOrEqual(500)
    }
    const seconds = (performance.now() - startedAt.clock) / 1_000
    const processorTime = (await meter.processorTime()) - startedAt.processor
    const updates = rounds.reduce((sum, round) => sum + round.updates, 0)
    const msPerTask = processorTime / (updates + rounds.length * ACTIONS.length)
    const after = await meter.memory()
    const count = await stop()
    if (SECONDS > 10) {
      const medians = ACTIONS.map((name) => [name, Math.round(median(rounds.map((round) => round[name])))])
      const figures = {
        count,
        seconds,
        rounds: rounds.length,
        updates,
        processorTime,
        msPerTask,
        medians,
        before,
        after,
      }
      process.stdout.write(`${JSON.stringify(figures)}\n`)
    }
    expect(count).toBeGreaterThan(SECONDS * 150)
    // A reaction waits for one update at most, and then for its own work: 200 ms together.
    expect(msPerTask).toBeLessThan(100)
    expect(after.heap).toBeLessThan(20_000_000)
    expect(after.nodes).toBeLessThan(30_000)
    // A delivery that is gone, as the browser reports it.
    expect(problems.filter((text) => !text.includes('404'))).toEqual([])
    await context.close()
    await world.close()
  },
  (SECONDS + 60) * 1_000,
)

describe.skipIf(browser === undefined)('access from a browser', () => {
  test('a page of another origin can neither read the console nor change anything', async () => {
    const [world, other] = [await startConsole(), await startConsole()]
    const context = await browser?.newContext()
    const page = await context?.newPage()
    await page?.goto(other.url)
    const ask = (path: string, init: object) =>
      page?.evaluate(
        `fetch(${JSON.stringify(world.url + path)}, ${JSON.stringify(init)}).then((r) => r.status, (e) => e.name)`,
      )
    // The policy of the attacking page stops it here already, as its own server would not.
    expect(await ask('api/charts', {})).toBe('TypeError')
    expect(await ask('api/outbox/discard', { method: 'POST', body: '{"id":"31"}', mode: 'no-cors' })).toBe('TypeError')
    expect(world.outbox.discarded).toEqual([])
    await context?.close()
    await Promise.all([world.close(), other.close()])
  })
})
