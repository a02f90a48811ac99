import type { ResolvedEncryptionOptions } from '../crypto/envelope.ts'
import { secureRandomBytes } from '../crypto/node.ts'
import { isOrderSyncError, ProtocolError } from '../errors.ts'
import { validateOrder, validateResponse } from '../messages/validate.ts'
import { type MessageKind, parseEncryptHeader } from '../protocol/headers.ts'
import { parseJson, parseLoosely, STRICT_JSON } from '../protocol/json.ts'
import { findDecryptionKey, type ParsedCredentials } from '../secure-message/credentials.ts'
import { decryptMessage } from '../secure-message/verify.ts'
import type { ExplainedIssue } from './explanation.ts'

/** The body of a captured message, decrypted if possible, and what is wrong with it. */
export interface OpenedBody {
  readonly isEncrypted: boolean
  /** Present if the body is encrypted and a configured key decrypts it. */
  readonly plaintext?: Uint8Array
  readonly issues: readonly ExplainedIssue[]
  readonly notes: readonly string[]
}

interface BodyToOpen {
  readonly direction: MessageKind
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
}

/**
 * Decrypts and validates the body of a message for a developer, verified or not. Never call it while a handler
 * responds: decrypting unverified messages allows Bleichenbacher's attack.
 *
 * @see docs/protocol.md section 4.2
 */
export async function openBody(
  message: BodyToOpen,
  credentials: ParsedCredentials,
  encryption: ResolvedEncryptionOptions,
): Promise<OpenedBody> {
  const { headers, body, direction } = message
  const header = headers.get('encrypt')
  if (header === undefined) {
    return { isEncrypted: false, issues: body.length === 0 ? [] : issuesOf(body, direction), notes: [] }
  }
  const { plaintext, notes } = await decrypt(header, body, credentials, encryption)
  if (plaintext === undefined) return { isEncrypted: true, issues: [], notes }
  return { isEncrypted: true, plaintext, issues: issuesOf(plaintext, direction), notes }
}

const VARIANTS = [
  { keyWrap: 'RSA1_5', aesMode: 'ECB' },
  { keyWrap: 'RSA1_5', aesMode: 'CBC' },
  { keyWrap: 'RSA-OAEP', aesMode: 'ECB' },
  { keyWrap: 'RSA-OAEP', aesMode: 'CBC' },
  { keyWrap: 'RSA-OAEP-256', aesMode: 'ECB' },
  { keyWrap: 'RSA-OAEP-256', aesMode: 'CBC' },
] as const

/** Tries the configured options first, and then the variants that related gateways use. */
async function decrypt(
  header: string,
  body: Uint8Array,
  credentials: ParsedCredentials,
  encryption: ResolvedEncryptionOptions,
): Promise<{ plaintext?: Uint8Array; notes: string[] }> {
  let encrypt: ReturnType<typeof parseEncryptHeader>
  let isRemote: boolean
  try {
    encrypt = parseEncryptHeader(header)
    isRemote = findDecryptionKey(credentials, encrypt.keyVersion).key.isRemote
  } catch (error) {
    if (!isOrderSyncError(error)) throw error
    return { notes: [`The body is encrypted and was not decrypted. ${error.message}`] }
  }
  if (isRemote) return { notes: ['The body is encrypted to a key of a signer. It was not decrypted.'] }
  for (const variant of [encryption, ...VARIANTS]) {
    const options = { ...encryption, ...variant }
    // Without the version: a wrong one is reported, and the latest key may be the right one.
    for (const keyVersion of [
      encrypt.keyVersion,
      ...credentials.privateKeys.newestFirst.map(({ version }) => version),
    ]) {
      const { keyVersion: _, ...rest } = encrypt
      const named = keyVersion === undefined ? rest : { ...rest, keyVersion }
      const plaintext = await attempt(() =>
        decryptMessage({ head: { encrypt: named }, body }, credentials, { options, randomBytes: secureRandomBytes }),
      )
      if (plaintext === undefined) continue
      const notes: string[] = []
      if (variant !== encryption) {
        notes.push(
          `The body was encrypted with other options than configured. Set "encryption" to { aesMode: '${variant.aesMode}', keyWrap: '${variant.keyWrap}' }.`,
        )
      }
      if (keyVersion !== encrypt.keyVersion) {
        notes.push(
          `The Encrypt header names another keyVersion than the one that decrypts: privateKeys[${keyVersion}].`,
        )
      }
      return { plaintext, notes }
    }
  }
  return {
    notes: [
      'The body is encrypted, but none of your privateKeys decrypts it. The sender uses an old or wrong public key, or other encryption options.',
    ],
  }
}

/** Undefined when the decryption failed: a wrong key gives correct padding once in 256 times, but not JSON. */
async function attempt(run: () => ReturnType<typeof decryptMessage>): Promise<Uint8Array | undefined> {
  try {
    const { plaintext } = await run()
    return parseLoosely(plaintext, STRICT_JSON) === undefined ? undefined : plaintext
  } catch (error) {
    if (isOrderSyncError(error)) return undefined
    throw error
  }
}

function issuesOf(plaintext: Uint8Array, direction: MessageKind): ExplainedIssue[] {
  try {
    const value = parseJson(plaintext)
    if (direction === 'request') validateOrder(value)
    else validateResponse(value)
    return []
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    if (error.issues.length === 0) return [{ pointer: '', expected: error.message }]
    return error.issues.map(({ field, expected }) => ({ pointer: toPointer(field), expected }))
  }
}

/** The names of the schema have no dot, no slash and no tilde. */
function toPointer(field: string): string {
  return field === '' ? '' : `/${field.split('.').join('/')}`
}
