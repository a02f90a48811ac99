import { createCipheriv, createDecipheriv } from 'node:crypto'
import { type RandomBytes, sha256 } from '../crypto/node.ts'
import { ConfigurationError } from '../errors.ts'
import type { Order } from '../messages/order.ts'

/** One key of 32 bytes, or several: the first encrypts, all decrypt. */
export type EncryptAtRest = Uint8Array | readonly Uint8Array[]

/** What identifies an event: an encrypted order cannot be moved to another one. */
export interface EventIdentity {
  readonly orderKey: string
  readonly eventTime: number
  readonly requestId: string
}

/** How orders are written in the outbox. */
export interface PayloadCodec {
  readonly encode: (json: string, event: EventIdentity) => string
  /** @throws {@link ConfigurationError} `ERR_OUTBOX_KEY` when no key fits */
  readonly decode: (payload: string, event: EventIdentity) => string
}

/** The stored content of an event, before encryption. */
export interface OutboxPayload {
  readonly order: Order
  readonly tenant?: string | undefined
}

/** @param order The order as JSON, with the bytes that are sent. */
export function writePayload(order: string, tenant: string | undefined): string {
  return `{${tenant === undefined ? '' : `"tenant":${JSON.stringify(tenant)},`}"order":${order}}`
}

export function readPayload(text: string): OutboxPayload {
  return JSON.parse(text) as OutboxPayload
}

const PREFIX = 'A256GCM.'

/** Without keys, orders are stored as JSON. Encrypted and plain orders can always be read. */
export function createPayloadCodec(keys: EncryptAtRest | undefined, randomBytes: RandomBytes): PayloadCodec {
  const ring = keys === undefined ? [] : [keys].flat()
  const [current] = ring
  return {
    encode: (json, event) => (current === undefined ? json : encrypt(json, event, current, randomBytes)),
    decode(payload, event) {
      if (!payload.startsWith(PREFIX)) return payload
      const [id = '', iv = '', tag = '', ciphertext = ''] = payload.slice(PREFIX.length).split('.')
      const key = ring.find((known) => keyId(known) === id)
      if (key === undefined) throw keyError('No key of "encryptAtRest" can decrypt it')
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64url'), { authTagLength: 16 })
        decipher.setAAD(boundTo(event)).setAuthTag(Buffer.from(tag, 'base64url'))
        return Buffer.concat([decipher.update(Buffer.from(ciphertext, 'base64url')), decipher.final()]).toString()
      } catch {
        throw keyError('It was changed in the database')
      }
    },
  }
}

/** The additional authenticated data. */
const boundTo = ({ orderKey, eventTime, requestId }: EventIdentity) =>
  Buffer.from(JSON.stringify([orderKey, eventTime, requestId]))

function encrypt(json: string, event: EventIdentity, key: Uint8Array, randomBytes: RandomBytes): string {
  const iv = Buffer.from(randomBytes(12))
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
  cipher.setAAD(boundTo(event))
  const ciphertext = Buffer.concat([cipher.update(json, 'utf8'), cipher.final()])
  const parts = [iv, cipher.getAuthTag(), ciphertext].map((bytes) => bytes.toString('base64url'))
  return `${PREFIX}${[keyId(key), ...parts].join('.')}`
}

const keyId = (key: Uint8Array) => sha256(key, 'base64url').slice(0, 8)

const keyError = (reason: string) =>
  new ConfigurationError('ERR_OUTBOX_KEY', `An order in the outbox cannot be decrypted. ${reason}.`)

/** Throws unless the value is one key of 32 bytes, or several. */
export function assertEncryptAtRest(value: unknown, name: string): void {
  const keys = Array.isArray(value) ? value : [value]
  if (keys.length > 0 && keys.every((key) => key instanceof Uint8Array && key.length === 32)) return
  throw new TypeError(`"${name}" must be a key of 32 bytes, or a list of such keys: Buffer.from(text, 'base64')`)
}
