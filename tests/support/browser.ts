import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromiumPath, installBrowser } from '../../scripts/install-browser.ts'
import { root } from './project.ts'

// The members of playwright-core that the tests use. It is installed in a folder of its own, after the types are checked.

export interface Locator {
  click(): Promise<void>
  fill(text: string): Promise<void>
  focus(): Promise<void>
  press(key: string): Promise<void>
  waitFor(options?: { state?: 'visible' | 'hidden' }): Promise<void>
  count(): Promise<number>
  first(): Locator
  nth(index: number): Locator
  allInnerTexts(): Promise<string[]>
  getAttribute(name: string): Promise<string | null>
  isDisabled(): Promise<boolean>
  locator(selector: string): Locator
}

export interface Page {
  goto(url: string): Promise<unknown>
  reload(): Promise<unknown>
  setDefaultTimeout(milliseconds: number): void
  close(): Promise<void>
  locator(selector: string): Locator
  getByRole(role: string, options?: { name?: string | RegExp; exact?: boolean }): Locator
  getByText(text: string | RegExp): Locator
  getByLabel(text: string | RegExp, options?: { exact?: boolean }): Locator
  evaluate<Value>(script: string): Promise<Value>
  setViewportSize(size: { width: number; height: number }): Promise<void>
  readonly keyboard: { press(key: string): Promise<void> }
  on(event: 'console', listener: (message: { type(): string; text(): string }) => void): void
  on(event: 'pageerror', listener: (error: Error) => void): void
  on(event: 'request', listener: (request: { url(): string }) => void): void
  on(event: 'dialog', listener: (dialog: { message(): string; dismiss(): Promise<void> }) => void): void
}

export interface Context {
  newPage(): Promise<Page>
  close(): Promise<void>
  grantPermissions(permissions: string[]): Promise<void>
  /** For what playwright has no method: WebP, and the memory of a page. */
  newCDPSession(page: Page): Promise<{ send<Result>(method: string, parameters?: object): Promise<Result> }>
}

export interface Browser {
  newContext(options?: object): Promise<Context>
  close(): Promise<void>
}

/** Starts the Chromium of this machine. Undefined, with a warning, where there is none. */
export async function startBrowser(): Promise<Browser | undefined> {
  const executablePath = chromiumPath()
  if (executablePath === undefined) {
    console.warn('Chromium is not installed, so the tests of the console in a browser are skipped')
    return undefined
  }
  installBrowser()
  if (!existsSync(`${root}tests/browser/node_modules/playwright-core`)) return undefined
  const { chromium } = createRequire(`${root}tests/browser/package.json`)('playwright-core') as {
    chromium: { launch(options: object): Promise<Browser> }
  }
  // Chromium refuses its sandbox to root, as whom CI runs.
  return await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] })
}

/** The problems that axe finds on a page and calls serious or critical. */
export async function seriousProblems(page: Page): Promise<string[]> {
  const axe = readFileSync(`${root}tests/browser/node_modules/axe-core/axe.min.js`, 'utf8')
  // evaluate() is not bound by the policy of the page.
  await page.evaluate(`${axe}; 0`)
  return await page.evaluate(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html.slice(0, 200))))`,
  )
}
