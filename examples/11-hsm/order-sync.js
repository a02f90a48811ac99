import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
import { sqliteStore } from 'alipayhk-order-sync/stores/sqlite'
import { openHsm } from './hsm.js'

const { CLIENT_ID = '', ALIPAYHK_PUBLIC_KEY = '', DATABASE } = process.env
const {
  PKCS11_MODULE = '/usr/lib/softhsm/libsofthsm2.so',
  PKCS11_TOKEN = 'order-sync',
  PKCS11_KEY = 'order-sync',
  PKCS11_PIN = '',
} = process.env

const hsm = openHsm({ module: PKCS11_MODULE, tokenLabel: PKCS11_TOKEN, keyLabel: PKCS11_KEY, pin: PKCS11_PIN })
const store = DATABASE === undefined ? memoryStore() : sqliteStore({ file: DATABASE })

export const handler = createOrderSyncHandler({
  credentials: {
    clientId: CLIENT_ID,
    privateKeys: { 1: hsm.signer },
    peerPublicKeys: { 1: ALIPAYHK_PUBLIC_KEY },
  },
  store,
  async onOrder(order) {
    // Write the order to your database here.
    return { orderId: `order-${order.merchantBizNo}` }
  },
  onEvent: (event) => console.log(JSON.stringify(event)),
})

/** Waits for the orders that are being processed, then closes the file and the HSM. */
export async function close() {
  await handler.drain()
  if ('close' in store) await store.close()
  hsm.close()
}
