import { expect, test } from 'vitest'
import { merchant } from '../support/merchant.ts'
import { request } from '../support/messages.ts'

test('a response has an Allow header with HTTP 405, and with no other status', async () => {
  const { handler } = merchant()
  expect(await handler({ ...request(), method: 'GET' })).toMatchObject({ status: 405, headers: { Allow: 'POST' } })
  expect(await handler({ method: 'GET', path: '/', headers: {} })).toMatchObject({
    status: 405,
    headers: { Allow: 'POST' },
  })
  expect((await handler(request())).headers).not.toHaveProperty('Allow')
})
