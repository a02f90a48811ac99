/**
 * The scenarios on Node, Bun and Deno: over handler.fetch, node:http, and the server of the runtime.
 * Exits with 1 when one fails. Writes the counts to the file of the first argument, in vitest's JSON format.
 */
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { ORDER_SYNC_PATH } from '../dist/index.js'
import { createOrderSyncServer } from '../dist/node.js'
import { overFetch, runScenarios } from './runtime-scenarios.mjs'

const clientOptions = (port) => ({ url: `http://127.0.0.1:${port}${ORDER_SYNC_PATH}` })
const address = { hostname: '127.0.0.1', port: 0 }
const { Bun, Deno } = globalThis

const { passed, failed } = await runScenarios({
  'handler.fetch': (handler) => overFetch(handler),
  'node:http': async (handler) => {
    const server = createOrderSyncServer(handler)
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    return [clientOptions(server.address().port), () => server.close()]
  },
  ...(Bun && {
    'Bun.serve': ({ fetch }) => {
      const server = Bun.serve({ ...address, fetch })
      return [clientOptions(server.port), () => server.stop(true)]
    },
  }),
  ...(Deno && {
    'Deno.serve': ({ fetch }) => {
      const server = Deno.serve({ ...address, onListen() {} }, fetch)
      return [clientOptions(server.addr.port), () => server.shutdown()]
    },
  }),
})
const { bun, deno, node } = process.versions
console.log(`${bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`}: ${passed} passed, ${failed} failed`)
const [, , results] = process.argv
if (results) writeFileSync(results, JSON.stringify({ numPassedTests: passed, numFailedTests: failed }))
process.exit(failed === 0 ? 0 : 1)
