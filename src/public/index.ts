/**
 * AlipayHK's Synchronize Order API for Node backends, both ways.
 *
 * @packageDocumentation
 */

// Start here: the client sends orders, the handler receives them. A handler needs a store.

export { createOrderSyncClient, type OrderInput, type OrderSyncClient, type SyncResult } from '../client/client.ts'
export type { ClientOptions } from '../client/options.ts'
export { type Amount, formatAmount, parseAmount } from '../messages/amount.ts'
export type { OpenObject, Order } from '../messages/order.ts'
export type { StandardSchema } from '../messages/standard-schema.ts'
export { ENVIRONMENTS, type Environment, ORDER_SYNC_METHOD, ORDER_SYNC_PATH } from '../protocol/endpoint.ts'
export type { Credentials } from '../secure-message/credentials.ts'
export type {
  BusyEvent,
  EventBase,
  FailedEvent,
  FencedEvent,
  KnownOrderEvent,
  LateEvent,
  OrderEvent,
  OrderSyncEvent,
  ProcessedEvent,
  RefusedEvent,
  RejectedEvent,
  ReplayEvent,
  RequestEvent,
  UnavailableEvent,
} from '../server/event.ts'
export { createOrderSyncHandler } from '../server/handler.ts'
export {
  type DrainResult,
  type HttpResponse,
  type IncomingRequest,
  type OrderSyncHandler,
  PARSED_BODY,
  type RequestBody,
  type RunningRequest,
} from '../server/http.ts'
export type { HandlerOptions, OrderContext, OrderResult } from '../server/options.ts'
export { type MemoryStoreOptions, memoryStore } from '../stores/memory.ts'

// Errors and result codes.

export {
  ConfigurationError,
  type ConfigurationErrorCode,
  DeliveryError,
  type DeliveryErrorCode,
  type ErrorCode,
  type FieldIssue,
  HandlerError,
  type HandlerErrorCode,
  isOrderSyncError,
  OrderRefusedError,
  OrderSyncError,
  PROTOCOL_ERRORS,
  ProtocolError,
  type ProtocolErrorCode,
  type ResponseDetails,
  type UntrustedResponseCode,
  UntrustedResponseError,
} from '../errors.ts'
export { isRetryable, retryDelay } from '../policy/retry.ts'
export {
  type OrderSyncResponse,
  RESULT_CODES,
  type Result,
  type ResultCode,
  type ResultStatus,
} from '../result-codes.ts'

// Keys, in every supported format.

export type { KeyWrap, PrivateKey, PublicKey, Signer } from '../crypto/key.ts'
export { importJwkSet } from '../keys/jwk-set.ts'
export {
  describeKey,
  type KeyDescription,
  type PrivateKeyInput,
  type PublicKeyInput,
  parsePrivateKey,
  parsePublicKey,
} from '../keys/keys.ts'

// To write your own store.

export {
  type Decision,
  decide,
  type Incoming,
  type ModifyTimeComparison,
  type Remembered,
} from '../policy/idempotency.ts'
export type {
  ClaimOptions,
  ClaimResult,
  Completion,
  Delivery,
  HeldClaim,
  LastProcessed,
  OrderRecord,
  OrderSyncStore,
} from '../stores/store.ts'

// Parts of the protocol, for cases that the client and the handler do not cover.

export { decryptBody, type EncryptedBody, type EncryptionOptions, encryptBody } from '../crypto/envelope.ts'
export type { RandomBytes } from '../crypto/node.ts'
export { sign, verify } from '../crypto/signature.ts'
export {
  type EncryptHeader,
  formatEncryptHeader,
  formatSignatureHeader,
  type HeaderEntry,
  type HeadersInput,
  type HeaderValue,
  parseEncryptHeader,
  parseSignatureHeader,
  type SignatureAlgorithm,
  type SignatureHeader,
} from '../protocol/headers.ts'
export { type SignedHead, signedContent } from '../protocol/signed-content.ts'
export { formatTime, parseTime } from '../protocol/time.ts'
