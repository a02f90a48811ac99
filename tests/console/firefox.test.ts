import { expect, onTestFinished, test } from 'vitest'
import { firefoxPath, startFirefox } from '../support/firefox.ts'
import { fillInbox, startConsole } from './world.ts'

const firefox = process.env['SHORT'] === undefined ? firefoxPath() : undefined

/** Waits in the page until a selector matches, and returns the text. */
const textOf = (selector: string) => `new Promise((resolve) => {
  const look = () => {
    const found = document.querySelector(${JSON.stringify(selector)})
    if (found) resolve(found.innerText)
    else setTimeout(look, 20)
  }
  look()
})`

test.skipIf(firefox === undefined)(
  'the page works in Firefox, without an error',
  async () => {
    const world = await startConsole()
    onTestFinished(world.close)
    await fillInbox(world)
    const { goto, evaluate, errors } = await startFirefox(firefox ?? '')
    await goto(world.url)
    expect(await evaluate(textOf('.inbox tbody tr'))).toContain('••••0009')
    for (const view of ['send', 'charts', 'outbox']) {
      await goto(`${world.url}#${view}`)
      expect(
        (await evaluate(textOf(`main section[aria-label="${view[0]?.toUpperCase()}${view.slice(1)}"] h2`))).length,
      ).toBeGreaterThan(4)
    }
    await goto(`${world.url}#inbox`)
    await evaluate(textOf('.inbox tbody tr'))
    await evaluate(`document.querySelectorAll('.inbox tbody a')[1].click(); ''`)
    expect(await evaluate(textOf('.fix'))).toContain('signedPath')
    expect(await evaluate(textOf('.bytes .control'))).toBe('LF')
    expect(errors).toEqual([])
  },
  60_000,
)
