/**
 * The scenarios of the demo, run against the built package. Plain JavaScript, so that every runtime loads it without a
 * build. runtime-process.mjs and runtime-worker.mjs add the transports of their runtimes.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import {
  createOrderSyncClient,
  createOrderSyncHandler,
  DeliveryError,
  memoryStore,
  ORDER_SYNC_PATH,
  UntrustedResponseError,
} from '../dist/index.js'

const pem = { publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } }
const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048, ...pem })
const ecc = () => generateKeyPairSync('ec', { namedCurve: 'secp224r1', ...pem })
const keys = { merchant: rsa(), alipay: rsa(), stranger: rsa() }
const eccKeys = { merchant: ecc(), alipay: ecc() }

const clientId = '4Q5Y8W0WSG45P907917'
const credentials = (own, peer) => ({
  clientId,
  privateKeys: { 1: own.privateKey },
  peerPublicKeys: { 1: peer.publicKey },
})

/** A merchant: a handler, and a list of the calls of `onOrder`. */
function createMerchant({ merchant, alipay } = keys) {
  const onOrderCalls = []
  const handler = createOrderSyncHandler({
    credentials: credentials(merchant, alipay),
    store: memoryStore(),
    onOrder({ orderStatus }, { encrypted }) {
      onOrderCalls.push({ orderStatus, encrypted })
      return { orderId: `M-${onOrderCalls.length}` }
    },
  })
  return { handler, onOrderCalls }
}

const order = {
  tradeNo: '20240522000000000000263818',
  merchantBizNo: 'A-1',
  orderStatus: 'PAID',
  orderCreateTime: 1_716_331_340_000,
  orderModifyTime: 1_716_331_341_000,
  userId: '2088000000000000',
  amount: { value: '8800', currency: 'HKD' },
  extInfo: { table: 7, note: '凍檸茶少甜' },
}
const older = { ...order, orderStatus: 'CREATED', orderModifyTime: order.orderModifyTime - 1 }

/** Sends an order, and returns its `orderId`, or the result code of the response. It is unsigned when the order did not verify. */
async function syncOrder(transport, changes, options) {
  try {
    const client = createOrderSyncClient({
      credentials: credentials(keys.alipay, keys.merchant),
      retries: 0,
      ...options,
      ...transport,
    })
    return (await client.syncOrder({ ...order, ...changes })).orderId
  } catch (error) {
    return error.resultCode ?? /"resultCode":"(\w+)"/.exec(error.excerpt)?.[1] ?? error
  }
}

const wrongKeyVersion = { ...credentials(keys.alipay, keys.merchant) }
wrongKeyVersion.peerPublicKeys = { 1: keys.merchant.publicKey, 2: keys.stranger.publicKey }

/** Name, changes to the order, options, expected `orderId` or result code, expected calls of `onOrder`. */
const SCENARIOS = [
  ['a plain order', {}, {}, 'M-1', [{ orderStatus: 'PAID', encrypted: false }]],
  ['an encrypted order', {}, { encrypt: true }, 'M-1', [{ orderStatus: 'PAID', encrypted: true }]],
  ['a duplicate', {}, { earlier: order }, 'M-1', [{ orderStatus: 'PAID', encrypted: false }]],
  ['an older event', older, { earlier: order }, 'M-1', [{ orderStatus: 'PAID', encrypted: false }]],
  ['a forged order', {}, { credentials: credentials(keys.stranger, keys.merchant) }, 'INVALID_SIGNATURE', []],
  [
    'an order that arrives too late',
    {},
    { now: () => Date.now() - 301_000, clockToleranceSeconds: 900 },
    'INVALID_SIGNATURE',
    [],
  ],
  ['an order encrypted with an unknown key', {}, { encrypt: true, credentials: wrongKeyVersion }, 'PARAM_ILLEGAL', []],
  [
    'an order signed with ECC224',
    {},
    { merchantKeys: eccKeys, credentials: credentials(eccKeys.alipay, eccKeys.merchant) },
    'M-1',
    [{ orderStatus: 'PAID', encrypted: false }],
  ],
]

/** Customer data that nothing prints: scripts/runtimes.ts searches the output for it. */
const CUSTOMER_DATA = 'MARKER-OF-CUSTOMER-DATA'

/** Prints events and errors with console.log, in every way. */
async function printEventsAndErrors() {
  const events = []
  const handler = createOrderSyncHandler({
    credentials: credentials(keys.merchant, keys.alipay),
    store: memoryStore(),
    onEvent: (event) => events.push(event),
    onOrder() {
      throw new Error(CUSTOMER_DATA)
    },
  })
  const [transport] = overFetch(handler)
  await syncOrder(transport, { extInfo: { note: CUSTOMER_DATA } })
  const [event] = events
  assert.equal(event.order.extInfo.note, CUSTOMER_DATA)
  assert.equal(event.error.cause.message, CUSTOMER_DATA)
  const response = { result: { resultCode: 'X', resultStatus: 'U', resultMessage: CUSTOMER_DATA } }
  const untrusted = new UntrustedResponseError('ERR_REPLY_UNSIGNED', 'The response is unsigned.', {
    excerpt: CUSTOMER_DATA,
  })
  const delivery = new DeliveryError('ERR_NETWORK', 'No response.', {
    excerpt: CUSTOMER_DATA,
    response,
    cause: untrusted,
  })
  for (const value of [
    event,
    event.error,
    untrusted,
    delivery,
    new Error('An error of the application', { cause: delivery }),
  ]) {
    console.log(value)
    console.log('nested', { value }, [value])
    console.log('%o', value)
    console.log('%O', value)
    console.log('%s', value)
    console.log('%j', value)
    console.dir(value)
    console.log(JSON.stringify(value))
  }
}

/** Passes requests to the handler without a network. */
export const overFetch = (handler, fetch = handler.fetch) => [
  { url: `https://merchant.test${ORDER_SYNC_PATH}`, fetch: (url, init) => fetch(new Request(url, init)) },
  () => {},
]

/**
 * Runs every scenario over every transport. A transport is a function that receives the handler, and returns options for
 * the client and a function that closes the transport.
 */
export async function runScenarios(transports) {
  const counts = { passed: 0, failed: 0 }
  for (const [transportName, connect] of Object.entries(transports)) {
    for (const [name, changes, { earlier, merchantKeys, ...options }, expected, expectedCalls] of SCENARIOS) {
      const { handler, onOrderCalls } = createMerchant(merchantKeys)
      const [transport, close] = await connect(handler)
      try {
        if (earlier) assert.equal(await syncOrder(transport, earlier), expected)
        assert.deepEqual(await syncOrder(transport, changes, options), expected)
        assert.deepEqual(onOrderCalls, expectedCalls)
        counts.passed++
        console.log(`  ok      ${transportName}: ${name} → ${expected}`)
      } catch (error) {
        counts.failed++
        console.log(`  FAILED  ${transportName}: ${name}: ${error.stack}`)
      } finally {
        await close()
      }
    }
  }
  await printEventsAndErrors()
  return counts
}
