/** The HTTP method of the API. */
export const ORDER_SYNC_METHOD = 'POST'

/** The path of the API, as published on its documentation page. */
export const ORDER_SYNC_PATH = '/api/open/alipay/v1/merchant/order/sync'

/**
 * The origins by environment. The API page does not name them: they come from AlipayHK's documents about its gateway. Compare them with
 * the URL that AlipayHK gives you.
 *
 * @see docs/protocol.md section 1
 */
export const ENVIRONMENTS = {
  production: 'https://open.alipay.hk',
  testing: 'https://open-id-pre.alipay.com',
} as const

/** A key of {@link ENVIRONMENTS}. */
export type Environment = keyof typeof ENVIRONMENTS
