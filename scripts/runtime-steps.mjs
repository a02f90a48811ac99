/**
 * The demo's exchange on the built package, in plain JavaScript that any runtime takes as it is: each step with what
 * must come of it. The scripts beside this one bring the transports of their runtimes.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { createOrderSyncClient, createOrderSyncHandler, memoryStore, ORDER_SYNC_PATH } from '../dist/index.js'

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

/** A merchant: a handler, and the list of what its code has run for. */
function createMerchant({ merchant, alipay } = keys) {
  const ran = []
  const handler = createOrderSyncHandler({
    credentials: credentials(merchant, alipay),
    store: memoryStore(),
    onOrder({ orderStatus }, { encrypted }) {
      ran.push({ orderStatus, encrypted })
      return { orderId: `M-${ran.length}` }
    },
  })
  return { handler, ran }
}

const order = {
  tradeNo: '20240522000000000000263818',
  merchantBizNo: 'A-1',
  orderStatus: 'PAID',
  orderCreateTime: 1_716_331_341_000,
  orderModifyTime: 1_716_331_341_000,
  userId: '2088000000000000',
  amount: { value: '8800', currency: 'HKD' },
  extInfo: { table: 7, note: '凍檸茶少甜' },
}
const older = { ...order, orderStatus: 'CREATED', orderModifyTime: order.orderModifyTime - 1 }

/** What came of a sync: the order's id, or the refusal. */
async function outcome(send, changes, options) {
  try {
    const client = createOrderSyncClient({
      credentials: credentials(keys.alipay, keys.merchant),
      retries: 0,
      ...options,
      ...send,
    })
    return (await client.syncOrder({ ...order, ...changes })).orderId
  } catch (error) {
    return error.resultCode ?? error
  }
}

const foreignKey = { ...credentials(keys.alipay, keys.merchant) }
foreignKey.peerPublicKeys = { 1: keys.merchant.publicKey, 2: keys.stranger.publicKey }

/** Each step: what is sent, what must come back, and what the merchant's code must have run for. */
const STEPS = [
  ['a plain order', {}, {}, 'M-1', [{ orderStatus: 'PAID', encrypted: false }]],
  ['an encrypted order', {}, { encrypt: true }, 'M-1', [{ orderStatus: 'PAID', encrypted: true }]],
  ['a duplicate', {}, { before: order }, 'M-1', [{ orderStatus: 'PAID', encrypted: false }]],
  ['an older event', older, { before: order }, 'M-1', [{ orderStatus: 'PAID', encrypted: false }]],
  ['a forged order', {}, { credentials: credentials(keys.stranger, keys.merchant) }, 'INVALID_SIGNATURE', []],
  ['a late order', {}, { now: () => Date.now() - 301_000, toleranceSeconds: 900 }, 'INVALID_SIGNATURE', []],
  ['an order encrypted to a stranger', {}, { encrypt: true, credentials: foreignKey }, 'PARAM_ILLEGAL', []],
  [
    'an order signed with ECC224',
    {},
    { holders: eccKeys, credentials: credentials(eccKeys.alipay, eccKeys.merchant) },
    'M-1',
    [{ orderStatus: 'PAID', encrypted: false }],
  ],
]

/** Lets the messages go straight to the handler. */
export const overFetch = (handler, fetch = handler.fetch) => [
  { url: `http://merchant.test${ORDER_SYNC_PATH}`, fetch: (url, init) => fetch(new Request(url, init)) },
  () => {},
]

/**
 * Plays every step over every transport, a function that takes the handler and gives what the client is to be
 * created with, and what ends it.
 */
export async function exchange(transports) {
  const counts = { passed: 0, failed: 0 }
  for (const [transport, connect] of Object.entries(transports)) {
    for (const [name, changes, { before, holders, ...options }, expected, expectedRan] of STEPS) {
      const { handler, ran } = createMerchant(holders)
      const [send, end] = await connect(handler)
      try {
        if (before) assert.equal(await outcome(send, before), expected)
        assert.deepEqual(await outcome(send, changes, options), expected)
        assert.deepEqual(ran, expectedRan)
        counts.passed++
        console.log(`  ok      ${transport}: ${name} → ${expected}`)
      } catch (error) {
        counts.failed++
        console.log(`  FAILED  ${transport}: ${name}: ${error.stack}`)
      } finally {
        await end()
      }
    }
  }
  return counts
}
