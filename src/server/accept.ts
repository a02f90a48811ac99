import { isOrderSyncError, ProtocolError } from '../errors.ts'
import type { Order } from '../messages/order.ts'
import { validateExtInfo, validateOrder } from '../messages/validate.ts'
import { canonicalJson, parseLoosely } from '../protocol/json.ts'
import { findDecryptionKey, type ParsedCredentials, requireEncryptionKey } from '../secure-message/credentials.ts'
import { assertPeerKeysNotOwn } from '../secure-message/own-key.ts'
import {
  assertSigned,
  type DecryptedMessage,
  decryptMessage,
  parseMessage,
  type ReceivedMessage,
  type VerifiedMessage,
} from '../secure-message/verify.ts'
import type { RequestAbort } from './abort.ts'
import type { EncryptMemory } from './encrypt-memory.ts'
import { type Ended, endUnverified, endVerified } from './ended.ts'
import { optionThrew, signerThrew } from './failures.ts'
import { noteStep } from './observation.ts'
import { orderKey } from './order-key.ts'
import type { NotAccepted } from './outcome.ts'
import type { Received } from './receive.ts'
import type { Recipient } from './respond.ts'
import type { SecondsWarning } from './seconds-warning.ts'
import { noteIdentity, type RequestTrace } from './trace.ts'
import type { VerifySettings } from './verify-options.ts'

/** A request whose signature is verified. */
interface Signed extends Received {
  /** The version of the peer's key that the signature verified with. */
  readonly keyVersion: string
}

/** A message whose signature is verified and whose JSON is parsed. From here on, the response is signed. */
interface Verified {
  readonly kind: 'verified'
  readonly recipient: Recipient
  readonly value: unknown
}

/** A request whose order is verified and valid. */
export interface Accepted<ExtInfo> {
  readonly kind: 'accepted'
  readonly credentials: ParsedCredentials
  readonly recipient: Recipient
  readonly order: Order<ExtInfo>
  /** The key of the order in the store. */
  readonly orderKey: string
  /** The message as canonical JSON, without `requestId` and `orderModifyTime`: equal contents have equal digests. */
  readonly content: string
  readonly keyVersion: string
  readonly agentToken: string | undefined
  readonly encrypted: boolean
}

/** What {@link accept} needs in addition to the options: the abort of the request, and the state of other requests. */
interface AcceptContext {
  readonly abort: RequestAbort
  readonly trace: RequestTrace
  readonly encryptMemory: EncryptMemory
  readonly warnOfSeconds: SecondsWarning
}

/** Step 2: verifies the signature, and only then decrypts, parses and validates the message. */
export async function accept<ExtInfo>(
  received: Received,
  { abort, trace, encryptMemory, warnOfSeconds }: AcceptContext,
  settings: VerifySettings<ExtInfo>,
): Promise<Accepted<ExtInfo> | Ended<NotAccepted>> {
  const { message, headers, credentials } = received
  trace.waiting = 'verification'
  let keyVersion: string
  try {
    // Half of the time: a signer that does not respond must not use up the time of the order.
    await assertPeerKeysNotOwn(credentials, { timeoutMs: settings.timeoutMs / 2 })
    keyVersion = await assertSigned(message, credentials)
    const { clockToleranceSeconds, timeoutMs } = settings
    const limits = { now: settings.now(), clockToleranceSeconds, maxArrivalMs: timeoutMs }
    encryptMemory.assertUnchanged(message, credentials.clientId, limits)
    noteStep(trace, 'verified')
  } catch (error) {
    return { ...endUnverified(error, credentials), unverified: { message, headers } }
  }
  try {
    // Bounded: a remote signer, or a schema, may never settle.
    const accepted = await abort.beforeTimeout(openAndValidate({ keyVersion, ...received }, trace, settings))
    if (accepted.kind === 'accepted') warnOfSeconds(accepted.order)
    return accepted
  } catch (error) {
    return endUnverified(error, credentials)
  }
}

async function openAndValidate<ExtInfo>(
  signed: Signed,
  trace: RequestTrace,
  settings: VerifySettings<ExtInfo>,
): Promise<Accepted<ExtInfo> | Ended<NotAccepted>> {
  const verified = await open(signed, trace, settings)
  return verified.kind === 'ended' ? verified : await validate(signed, verified, trace, settings)
}

async function open(
  { message, credentials }: Signed,
  trace: RequestTrace,
  settings: VerifySettings<unknown>,
): Promise<Verified | Ended<NotAccepted>> {
  const { method, path, head } = message
  const isEncrypted = head.encrypt !== undefined
  const recipient: Recipient = { kind: 'client', credentials, method, path, isEncrypted }
  try {
    // The response must be encrypted too. Check the key for it now, not after the order was processed.
    if (isEncrypted) requireEncryptionKey(credentials)
    const decrypted = await decrypt(message, credentials, trace, settings)
    if (trace.observed !== undefined) trace.observed.plaintext = decrypted.plaintext
    noteStep(trace, 'decrypted')
    const { value, aesBits } = parseAndNote(decrypted, trace, settings)
    return { kind: 'verified', value, recipient: aesBits === undefined ? recipient : { aesBits, ...recipient } }
  } catch (error) {
    return endVerified(error, credentials, recipient)
  }
}

async function decrypt(
  message: ReceivedMessage,
  credentials: ParsedCredentials,
  trace: RequestTrace,
  { encryption }: VerifySettings<unknown>,
): Promise<DecryptedMessage> {
  const { encrypt } = message.head
  const found = encrypt && findDecryptionKey(credentials, encrypt.keyVersion)
  const isRemote = found?.key.isRemote === true
  if (found?.isKnownVersion) trace.decryptionKeyVersion = found.version
  trace.waiting = isRemote ? 'signerDecryption' : 'decryption'
  try {
    return await decryptMessage(message, credentials, encryption)
  } catch (error) {
    throw isRemote && !isOrderSyncError(error) ? signerThrew('decrypt', error) : error
  }
}

/** Also notes the ids of an order that breaks a rule: the rejection is final, and the merchant must be able to find the order. */
function parseAndNote(
  decrypted: DecryptedMessage,
  trace: RequestTrace,
  { json }: VerifySettings<unknown>,
): VerifiedMessage {
  try {
    const parsed = parseMessage(decrypted, json)
    noteIdentity(trace, parsed.value)
    return parsed
  } catch (error) {
    noteIdentity(trace, parseLoosely(decrypted.plaintext, json)?.value)
    throw error
  }
}

async function validate<ExtInfo>(
  { message, headers, credentials, keyVersion }: Signed,
  { value, recipient }: Verified,
  trace: RequestTrace,
  settings: VerifySettings<ExtInfo>,
): Promise<Accepted<ExtInfo> | Ended<NotAccepted>> {
  try {
    const valid = validateOrder(value)
    assertNotInFuture(valid, settings)
    trace.waiting = 'extInfoSchema'
    const order = await withExtInfo(valid, settings.extInfoSchema)
    const { merchantId, merchantBizType, merchantBizNo } = valid
    const key = orderKey({ clientId: credentials.clientId, merchantId, merchantBizType, merchantBizNo })
    trace.order = order
    trace.orderKey = key
    noteStep(trace, 'validated')
    const { requestId, orderModifyTime, ...content } = valid
    return {
      kind: 'accepted',
      credentials,
      recipient,
      order,
      orderKey: key,
      content: canonicalJson(content),
      keyVersion,
      agentToken: headers.get('agent-token'),
      encrypted: message.head.encrypt !== undefined,
    }
  } catch (error) {
    return endVerified(error, credentials, recipient)
  }
}

/** The order with the `extInfo` that the schema returned. */
async function withExtInfo<ExtInfo>(
  order: Order,
  schema: VerifySettings<ExtInfo>['extInfoSchema'],
): Promise<Order<ExtInfo>> {
  // Without a schema, ExtInfo is the type that the caller chose: OpenObject by default.
  if (schema === undefined) return order as Order<ExtInfo>
  try {
    return { ...order, extInfo: await validateExtInfo(order.extInfo, schema) }
  } catch (error) {
    throw isOrderSyncError(error) ? error : optionThrew('extInfoSchema', error)
  }
}

/** One event from the far future would make every later event of its order stale. */
function assertNotInFuture({ orderModifyTime }: Order, { now, maxFutureMs }: VerifySettings<unknown>): void {
  if (orderModifyTime <= now() + maxFutureMs) return
  const expected = 'a time that is not far in the future'
  throw new ProtocolError('ERR_FIELD_INVALID', `The order is invalid: "orderModifyTime" must be ${expected}.`, {
    issues: [{ field: 'orderModifyTime', expected }],
  })
}
