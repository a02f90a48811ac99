/**
 * For your tests: keys, orders, and a peer that plays AlipayHK; and the cases that a store of your own must pass.
 *
 * @packageDocumentation
 */
export { type StoreCase, type StoreCaseDatabase, storeCases } from '../testing/store-cases.ts'
export { createTestContext, createTransactionDouble, type TransactionDouble } from '../testing/test-context.ts'
export {
  createTestCredentials,
  createTestKeys,
  type TestCredentials,
  type TestKeyPair,
  type TestKeys,
} from '../testing/test-keys.ts'
export { createTestOrder } from '../testing/test-order.ts'
export {
  createTestPeer,
  type TestFault,
  type TestPeer,
  type TestPeerOptions,
  type TestRequestOptions,
  type TestResponse,
  type TestTarget,
} from '../testing/test-peer.ts'
export { createTestReceiver, type TestReceiver, type TestReceiverOptions } from '../testing/test-receiver.ts'
