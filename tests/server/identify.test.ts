import { generateKeyPairSync, privateDecrypt } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { IncomingRequest } from '../../src/public/index.ts'
import { merchant, summarize } from '../support/merchant.ts'
import { merchantCredentials, NOW, order, request, withHeaders } from '../support/messages.ts'

/** The only event of a request. */
async function eventOf(incoming: unknown, options: Parameters<typeof merchant>[0] = {}) {
  const { handler, events } = merchant(options)
  await handler(incoming as IncomingRequest)
  expect(events).toHaveLength(1)
  return events[0] ?? expect.fail('there is no event')
}
