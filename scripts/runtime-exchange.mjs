/**
 * The exchange on Node, Bun and Deno: over handler.fetch, node:http, and the server of the runtime.
 * Exits with 1 on any surprise. Counts go to the file that is named, in the form of vitest's JSON.
 */
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { ORDER_SYNC_PATH } from '../dist/index.js'
import { createServer } from '../dist/node.js'
import { exchange, overFetch } from './runtime-steps.mjs'

const at = (port) => ({ url: `http://127.0.0.1:${port}${ORDER_SYNC_PATH}` })
const anywhere = { hostname: '127.0.0.1', port: 0 }
const { Bun, Deno } = globalThis

const { passed, failed } = await exchange({
  'handler.fetch': (handler) => overFetch(handler),
  'node:http': async (handler) => {
    const server = createServer(handler)
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    return [at(server.address().port), () => server.close()]
  },
  ...(Bun && {
    'Bun.serve': ({ fetch }) => {
      const server = Bun.serve({ ...anywhere, fetch })
      return [at(server.port), () => server.stop(true)]
    },
  }),
  ...(Deno && {
    'Deno.serve': ({ fetch }) => {
      const server = Deno.serve({ ...anywhere, onListen() {} }, fetch)
      return [at(server.addr.port), () => server.shutdown()]
    },
  }),
})
const { bun, deno, node } = process.versions
console.log(`${bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`}: ${passed} passed, ${failed} failed`)
const [, , results] = process.argv
if (results) writeFileSync(results, JSON.stringify({ numPassedTests: passed, numFailedTests: failed }))
process.exit(failed === 0 ? 0 : 1)
