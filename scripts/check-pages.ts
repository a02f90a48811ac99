/**
 * Opens pages of the built site in Chromium, light and dark, narrow and wide: `npm run docs && npx tsx scripts/check-pages.ts`. Fails when axe finds
 * a serious violation or a page is wider than the screen, and writes screenshots to .cache/pages. Look at them after a change of the theme.
 */
import { createReadStream, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import process from 'node:process'
import { seriousProblems, startBrowser } from '../tests/support/browser.ts'

const PAGES = {
  landing: '/',
  chinese: '/zh-HK/',
  guide: '/proxies.html',
  'quick-start': '/quick-start/express.html',
  errors: '/errors.html',
  api: '/api/alipayhk-order-sync/interfaces/HandlerOptions.html',
}
const SIZES = [
  { width: 390, height: 844 },
  { width: 1_440, height: 900 },
]
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=UTF-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
}

/** Violations in the sidebar and the search button of VitePress. */
const OF_THE_THEME = /^(?:nested-interactive|label-content-name-mismatch): /

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  const path = join('.cache/site', normalize(pathname), pathname.endsWith('/') ? 'index.html' : '')
  if (!existsSync(path) || !statSync(path).isFile()) return void response.writeHead(404).end()
  response.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream' })
  createReadStream(path).pipe(response)
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const address = server.address()
const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`

const browser = await startBrowser()
if (browser === undefined) throw new Error('Chromium is needed')
mkdirSync('.cache/pages', { recursive: true })
let problems = 0
for (const colorScheme of ['light', 'dark']) {
  for (const viewport of SIZES) {
    const context = await browser.newContext({ colorScheme, viewport, reducedMotion: 'reduce' })
    for (const [name, path] of Object.entries(PAGES)) {
      const page = await context.newPage()
      page.setDefaultTimeout(20_000)
      await page.goto(origin + path)
      await page.locator('h1').first().waitFor()
      const where = `${name}, ${colorScheme}, ${viewport.width} px`
      const found = (await seriousProblems(page)).filter((problem) => !OF_THE_THEME.test(problem))
      const excess = await page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth')
      if (excess > 0) found.push(`the page is ${excess} px wider than the screen`)
      for (const problem of found) console.error(`${where}: ${problem}`)
      problems += found.length
      const session = await context.newCDPSession(page)
      const { data } = await session.send<{ data: string }>('Page.captureScreenshot', { format: 'png' })
      writeFileSync(`.cache/pages/${name}-${colorScheme}-${viewport.width}.png`, Buffer.from(data, 'base64'))
      await page.close()
    }
    await context.close()
  }
}
await browser.close()
server.close()
console.log(`${Object.keys(PAGES).length} pages, light and dark, 390 and 1440 px: ${problems} problems`)
process.exitCode = problems === 0 ? 0 : 1
