const { ORDER_SYNC_PATH } = require('alipayhk-order-sync')

module.exports = {
  // Change it: Egg signs cookies with it.
  keys: 'order-sync-example',
  // The signature covers the raw bytes: no body parser for this path.
  bodyParser: { ignore: ORDER_SYNC_PATH },
  // AlipayHK sends no CSRF token; the signature protects this path.
  security: { csrf: { ignore: ORDER_SYNC_PATH } },
}
