/**
 * The scenarios on workerd, the runtime of Cloudflare Workers. `workerd test` calls test(), which sends requests to
 * this same worker over a binding, as one Worker does to another. It reports on the console, and throws on a failure.
 */
import { overFetch, runScenarios } from './runtime-scenarios.mjs'

let currentHandler

export default {
  fetch: (request) => currentHandler.fetch(request),

  async test(_controller, { self }) {
    const { passed, failed } = await runScenarios({
      'handler.fetch': (handler) => overFetch(handler),
      'a binding': (handler) => {
        currentHandler = handler
        return overFetch(handler, (request) => self.fetch(request))
      },
    })
    console.log(`workerd: ${passed} passed, ${failed} failed`)
    if (failed > 0) throw new Error(`${failed} scenarios failed`)
  },
}
