import { expect, onTestFinished, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import { HEADER_RULES, type HeaderRule } from '../../src/protocol/headers.ts'
import { createOrderSyncClient, type OrderInput } from '../../src/public/index.ts'
import { merchant, SUCCESS, summarize } from '../support/merchant.ts'
import {
  encryptedRequest,
  merchantCredentials,
  NOW,
  order,
  request,
  signedResponse,
  success,
} from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'

/** Adds a rule until the end of the test. At run time, the list is an ordinary array. */
function addHeaderRule(rule: HeaderRule): void {
  const rules = HEADER_RULES as HeaderRule[]
  rules.push(rule)
  onTestFinished(() => void rules.splice(rules.indexOf(rule), 1))
}

/** A new rule of the protocol: a message must name the version of its format. */
const requireFormat: HeaderRule = (headers) => {
  if (!headers.has('message-format')) throw new ProtocolError('ERR_HEADER_MISSING', 'The Message-Format is missing.')
}

const syncOrder = (headers: Record<string, string> = {}) =>
  createOrderSyncClient({
    credentials: merchantCredentials(),
    environment: 'testing',
    now: () => NOW,
    async fetch() {
      const response = signedResponse(success())
      return new Response(Buffer.from(response.body), { headers: { ...response.headers, ...headers } })
    },
  }).syncOrder(order() as unknown as OrderInput)

test('a rule that is added to HEADER_RULES makes both sides reject a message that breaks it', async () => {
  expect(summarize(await merchant().handler(request()))).toStrictEqual(SUCCESS)
  expect(await syncOrder()).toMatchObject({ orderId: 'A-1' })

  addHeaderRule(requireFormat)

  for (const message of [request(), encryptedRequest()]) {
    const { handler, onOrder, events } = merchant()
    expect(summarize(await handler(message))).toMatchObject({ status: 400, resultCode: 'PARAM_ILLEGAL', signed: false })
    expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_HEADER_MISSING' }])
    expect(onOrder).not.toHaveBeenCalled()
  }
  expect(await rejectionOf(syncOrder())).toMatchObject({
    name: 'UntrustedResponseError',
    code: 'ERR_REPLY_INVALID',
    cause: { code: 'ERR_HEADER_MISSING' },
  })
})

test('a rule that is added to HEADER_RULES lets both sides accept a message that follows it', async () => {
  addHeaderRule(requireFormat)
  const { headers, ...rest } = request()
  expect(
    summarize(await merchant().handler({ ...rest, headers: { ...headers, 'Message-Format': '2' } })),
  ).toStrictEqual(SUCCESS)
  expect(await syncOrder({ 'Message-Format': '2' })).toMatchObject({ orderId: 'A-1' })
})

test('each rule of HEADER_RULES receives the kind of the message', async () => {
  const kinds: string[] = []
  addHeaderRule((_headers, kind) => void kinds.push(kind))
  await merchant().handler(request())
  await syncOrder()
  expect(kinds).toStrictEqual(['request', 'response'])
})
