import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** The Firefox of this machine. Undefined, with a warning, where there is none. */
export function firefoxPath(): string | undefined {
  const path = ['/usr/bin/firefox-esr', '/usr/bin/firefox'].find(existsSync)
  if (path === undefined) console.warn('Firefox is not installed, so the test of the console in Firefox is skipped')
  return path
}

/** Starts Firefox, and speaks WebDriver BiDi with it: playwright needs a patched build of Firefox. */
export async function startFirefox(path: string) {
  const profile = mkdtempSync(join(tmpdir(), 'order-sync-firefox-'))
  const child = spawn(path, ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'])
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('close', resolve))
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  })
  const address = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      const [, found] = /^WebDriver BiDi listening on (ws:\S+)/.exec(line) ?? []
      if (found !== undefined) resolve(found)
    })
    child.once('close', () => reject(new Error('Firefox has ended')))
  })
  const { WebSocket } = await import('undici')
  const socket = new WebSocket(`${address}/session`)
  await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }))
  const waiting = new Map<number, (message: { result?: unknown; error?: string; message?: string }) => void>()
  const errors: string[] = []
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data))
    if (message.id !== undefined) waiting.get(message.id)?.(message)
    else if (message.method === 'log.entryAdded' && message.params.level === 'error') errors.push(message.params.text)
  })
  let count = 0
  async function call<Result>(method: string, params: object): Promise<Result> {
    const id = ++count
    const response = new Promise<{ result?: unknown; error?: string; message?: string }>((resolve) =>
      waiting.set(id, resolve),
    )
    socket.send(JSON.stringify({ id, method, params }))
    const { result, error, message } = await response
    if (error !== undefined) throw new Error(`${method}: ${error}, ${message}`)
    return result as Result
  }
  await call('session.new', { capabilities: {} })
  await call('session.subscribe', { events: ['log.entryAdded'] })
  const { context } = await call<{ context: string }>('browsingContext.create', { type: 'tab' })
  return {
    errors,
    goto: (url: string) => call('browsingContext.navigate', { context, url, wait: 'complete' }),
    /** The text that an expression resolves to. */
    async evaluate(expression: string): Promise<string> {
      const params = { expression, target: { context }, awaitPromise: true }
      const { result } = await call<{ result: { value: string } }>('script.evaluate', params)
      return result.value
    },
  }
}
