import { expect, test } from 'vitest'
import { merchant } from '../support/merchant.ts'
import { request } from '../support/messages.ts'

test('405 says which method would have been right, and nothing else does', async () => {
  const { handler } = merchant()
  expect(await handler({ ...request(), method: 'GET' })).toMatchObject({ status: 405, headers: { Allow: 'POST' } })
  expect(await handler({ method: 'GET', path: '/', headers: {} })).toMatchObject({
    status: 405,
    headers: { Allow: 'POST' },
  })
  expect((await handler(request())).headers).not.toHaveProperty('Allow')
})
