/**
 * Takes the screenshots of docs/console.md: `npx tsx scripts/console-screenshots.ts`. Needs Chromium. Look at each of them before you
 * commit it.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { createTestOrder } from '../src/public/testing.ts'
import { type ConsoleWorld, fillInbox, startConsole } from '../tests/console/world.ts'
import { type Page, startBrowser } from '../tests/support/browser.ts'
import { ensureBuilt } from './ensure-built.ts'

const folder = new URL('../docs/images/console/', import.meta.url)

ensureBuilt()
mkdirSync(folder, { recursive: true })
const browser = await startBrowser()
if (browser === undefined) throw new Error('Chromium is needed')
const world = await startConsole()
await fillInbox(world)
const busy = await busyConsole()

/** A console with half an hour of deliveries: its clock advances by a minute at a time. */
async function busyConsole() {
  const start = Date.now() - 30 * 60_000
  let minute = 0
  const filled = await startConsole({ now: () => start + minute * 60_000 })
  for (; minute < 30; minute++) {
    const order = createTestOrder()
    for (let count = 0; count < 6 + 4 * Math.sin(minute / 4); count++) await filled.peer.send(createTestOrder())
    if (minute % 3 === 0) await filled.peer.send(order)
    if (minute % 6 === 0) await filled.peer.send(order)
    if (minute > 20 && minute < 25) await filled.peer.send(order, { tamper: 'body' })
  }
  return filled
}

/** Opens a view, and takes a picture of it. */
async function shoot(
  name: string,
  view: string,
  prepare: (page: Page) => Promise<void>,
  { at = world, ...options }: { at?: ConsoleWorld; colorScheme?: string; viewport?: object },
): Promise<void> {
  const context = await browser?.newContext({
    viewport: { width: 1280, height: 800 },
    reducedMotion: 'reduce',
    ...options,
  })
  const page = await context?.newPage()
  if (context === undefined || page === undefined) return
  await page.goto(`${at.url}#${view}`)
  await page.locator('.live.on').waitFor()
  await prepare(page)
  const session = await context.newCDPSession(page)
  const { data } = await session.send<{ data: string }>('Page.captureScreenshot', { format: 'webp', quality: 70 })
  writeFileSync(new URL(`${name}.webp`, folder), Buffer.from(data, 'base64'))
  await context.close()
}

const inbox = (page: Page) => page.locator('.inbox tbody tr').first().waitFor()
const open = (words: string) => async (page: Page) => {
  await inbox(page)
  await page.locator('.inbox tbody a').locator(`text=${words}`).first().click()
  await page.locator('.detail h3').first().waitFor()
}
const section = (page: Page) => page.locator('main .detail').waitFor()
const order = async (page: Page) => {
  await open('0001')(page)
  await page.getByRole('link', { name: 'All events of this order' }).click()
  await page.locator('.axis').waitFor()
}

const dark = { colorScheme: 'dark' }
const narrow = { viewport: { width: 390, height: 800 } }
await shoot('inbox-light', 'inbox', inbox, {})
await shoot('delivery-light', 'inbox', open('0008'), {})
await shoot('delivery-dark', 'inbox', open('0008'), dark)
await shoot('order-light', 'inbox', order, {})
await shoot('send-dark', 'send', section, dark)
await shoot('charts-light', 'charts', section, { at: busy })
await shoot('outbox-light', 'outbox', section, {})
await shoot('inbox-narrow', 'inbox', inbox, narrow)
await shoot('delivery-narrow', 'inbox', open('0008'), { ...narrow, ...dark })
await browser.close()
await Promise.all([world.close(), busy.close()])
process.exit()
