/**
 * AlipayHK's Synchronize Order API for Node backends, both ways.
 *
 * @packageDocumentation
 */

// Start here: one of these two, and for the first a store.

export { createOrderSyncClient, type OrderInput, type OrderSyncClient, type SyncResult } from './client/client.ts'
export type { ClientOptions } from './client/options.ts'
export type { Credentials } from './exchange/credentials.ts'
export { type Amount, formatAmount, parseAmount } from './messages/amount.ts'
export type { OpenObject, Order } from './messages/order.ts'
export type { Reply } from './messages/reply.ts'
export type { StandardSchema } from './messages/standard-schema.ts'
export { ENVIRONMENTS, type Environment, ORDER_SYNC_METHOD, ORDER_SYNC_PATH } from './protocol/endpoint.ts'
export type { RequestBody } from './server/body.ts'
export type { OrderSyncEvent } from './server/event.ts'
export { createOrderSyncHandler, type IncomingRequest, type OrderSyncHandler } from './server/handler.ts'
export type { HandlerOptions, OrderContext, OrderResult } from './server/options.ts'
export type { OutgoingReply } from './server/respond.ts'
export { type MemoryStoreOptions, memoryStore } from './stores/memory.ts'

// What can go wrong, and what a peer is answered.

export {
  type ConfigurationCode,
  ConfigurationError,
  type DeliveryCode,
  DeliveryError,
  type ErrorCode,
  type FieldIssue,
  isOrderSyncError,
  OrderSyncError,
  type PeerReply,
  REJECTIONS,
  RefusalError,
  type RejectionCode,
  RejectionError,
  type ReplyCode,
  type ReplyDetails,
  ReplyError,
} from './errors.ts'
export { type Attempt, isRetryable, retryDelay } from './policy/retry.ts'
export { RESULTS, type Result, type ResultCode, type ResultStatus } from './protocol/result.ts'

// Keys, in whatever form they come.

export { importJwkSet } from './crypto/jwk-set.ts'
export {
  describeKey,
  type KeyDescription,
  type PrivateKey,
  type PrivateKeyInput,
  type PublicKey,
  type PublicKeyInput,
  parsePrivateKey,
  parsePublicKey,
  type Signer,
} from './crypto/keys.ts'

// For a store of your own.

export { type Comparison, type Decision, decide, type Incoming, type Remembered } from './policy/idempotency.ts'
export type { Claim, Claimed, ClaimOptions, Delivery, Finish, OrderRecord, OrderSyncStore } from './server/store.ts'

// The protocol in pieces, for what the two above do not cover.

export { type EnvelopeSuite, open, type Sealed, seal } from './crypto/envelope.ts'
export type { RandomBytes } from './crypto/random.ts'
export { sign, verify } from './crypto/signature.ts'
export { type SignedContent, type SignedHead, signedContent } from './protocol/content.ts'
export {
  type EncryptHeader,
  formatEncryptHeader,
  formatSignatureHeader,
  type HeadersInput,
  parseEncryptHeader,
  parseSignatureHeader,
  type SignatureAlgorithm,
  type SignatureHeader,
} from './protocol/headers.ts'
export { formatTime, parseTime } from './protocol/time.ts'
