import { expect, test } from 'vitest'
import { ENVIRONMENTS, ORDER_SYNC_METHOD, ORDER_SYNC_PATH } from '../../src/protocol/endpoint.ts'

test.each([
  ['production', 'https://open.alipay.hk/api/open/alipay/v1/merchant/order/sync'],
  ['testing', 'https://open-id-pre.alipay.com/api/open/alipay/v1/merchant/order/sync'],
] as const)('the endpoint of %s is POST %s', (environment, url) => {
  expect(ORDER_SYNC_METHOD).toBe('POST')
  expect(new URL(ORDER_SYNC_PATH, ENVIRONMENTS[environment]).href).toBe(url)
})
