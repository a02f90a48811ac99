/**
 * AlipayHK's Synchronize Order API for Node backends, both ways: the client, the handler, and what nearly every program
 * needs beside them. Other entry points: `./protocol`, `./crypto`, `./messages` and `./policy` are the parts, for cases
 * that the client and the handler do not cover; `./store` is for the authors of a store.
 *
 * @packageDocumentation
 */

// Start here: the client sends orders, the handler receives them. A handler needs a store.

export type { FailedOrder, OrderSource, SyncedOrder, SyncOrdersOptions, SyncOrdersOutcome } from '../client/bulk.ts'
export { createOrderSyncClient, type OrderSyncClient } from '../client/client.ts'
export type {
  AttemptEvent,
  ClientEvent,
  ClientEventBase,
  ClientEventCode,
  SucceededEvent,
  SyncFailedEvent,
} from '../client/event.ts'
export type { ClientOptions } from '../client/options.ts'
export type { OrderInput } from '../client/order.ts'
export type { SyncResult } from '../client/response.ts'
export type { Amount } from '../messages/amount.ts'
export { formatAmount, parseAmount } from '../messages/decimal-amount.ts'
export type { OpenObject, Order } from '../messages/order.ts'
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
  type HandlerHealth,
  type HttpResponse,
  type IncomingRequest,
  type OrderSyncHandler,
  PARSED_BODY,
  type RequestBody,
  type RunningRequest,
  type StoreHealth,
} from '../server/http.ts'
export type { HandlerOptions, OrderContext, OrderResult } from '../server/options.ts'
export { type OrderIdentity, orderKey } from '../server/order-key.ts'
export type { RequestContext } from '../server/request-context.ts'
export { responseToError } from '../server/response-to-error.ts'
export type { VerifyRequestOptions } from '../server/verify-options.ts'
export { type VerifiedRequest, verifyRequest } from '../server/verify-request.ts'
export { type MemoryStoreOptions, memoryStore } from '../stores/memory.ts'

// For development: why a signature fails.

export type { CauseCode } from '../diagnosis/change.ts'
export { type CapturedMessage, type ExplainOptions, explainRequest } from '../diagnosis/explain.ts'
export type { ExplainedIssue, Explanation } from '../diagnosis/explanation.ts'
export type { ExplainedCause } from '../diagnosis/opening.ts'

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
export { isRetryable } from '../policy/retry.ts'
export {
  type OrderSyncResponse,
  RESULT_CODES,
  type Result,
  type ResultCode,
  type ResultStatus,
} from '../result-codes.ts'

// Keys, in every supported format.

export type { Decrypter, DigestSigner, PrivateKey, PublicKey, Signer } from '../crypto/key.ts'
export { exportJwkSet, importJwkSet, type PublicJwk, type PublicJwkSet } from '../keys/jwk-set.ts'
export type { PrivateKeyRoles, PublicKeyRoles } from '../keys/key-roles.ts'
export {
  describeKey,
  type KeyDescription,
  type PrivateKeyInput,
  type PublicKeyInput,
  parsePrivateKey,
  parsePublicKey,
} from '../keys/keys.ts'
