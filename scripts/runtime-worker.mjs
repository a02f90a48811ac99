/**
 * The exchange on workerd, the runtime of Cloudflare Workers: `workerd test` calls test(), which sends to this same
 * worker over a binding, as one Worker sends to another. It reports on its console, and fails by throwing.
 */
import { exchange, overFetch } from './runtime-steps.mjs'

let current

export default {
  fetch: (request) => current.fetch(request),

  async test(_controller, { self }) {
    const { passed, failed } = await exchange({
      'handler.fetch': (handler) => overFetch(handler),
      'a binding': (handler) => {
        current = handler
        return overFetch(handler, (request) => self.fetch(request))
      },
    })
    console.log(`workerd: ${passed} passed, ${failed} failed`)
    if (failed > 0) throw new Error(`${failed} steps of the exchange have failed`)
  },
}
