import { expect, onTestFinished, test } from 'vitest'
import { createOrderSyncClient, type OrderInput } from '../../src/public/index.ts'
import { startGateway } from '../support/gateway.ts'
import { merchant } from '../support/merchant.ts'
import { merchantCredentials, NOW, order, request, signedResponse, success } from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'

// A request and a response have the same signed form: the signature of one verifies for the other. See docs/security-model.md.

test('the handler rejects with ERR_FIELD_INVALID a signed response of the peer that is sent as a request', async () => {
  const { handler, onOrder, events, store } = merchant()
  const { headers, body } = signedResponse(success())
  const { 'Response-Time': time = '', ...rest } = headers
  const response = await handler({ ...request(), headers: { ...rest, 'Request-Time': time }, body })
  expect(response.status).toBe(200)
  expect(events).toMatchObject([{ kind: 'rejected', code: 'ERR_FIELD_INVALID' }])
  expect(onOrder).not.toHaveBeenCalled()
  expect(store.claim).not.toHaveBeenCalled()
})

test('syncOrder rejects with ERR_REPLY_INVALID a signed request of the peer that is sent as a response', async () => {
  const gateway = await startGateway((response, { path }) => {
    const { headers, body } = request({ path })
    response.writeHead(200, { ...headers, 'Response-Time': headers['Request-Time'] }).end(body)
  })
  onTestFinished(gateway.close)
  const client = createOrderSyncClient({ credentials: merchantCredentials(), url: gateway.url, now: () => NOW })
  const error = await rejectionOf(client.syncOrder(order() as unknown as OrderInput))
  expect(error).toMatchObject({ name: 'UntrustedResponseError', code: 'ERR_REPLY_INVALID' })
})
