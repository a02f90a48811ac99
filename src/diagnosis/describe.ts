import { sha256 } from '../crypto/node.ts'
import { parseSignatureHeader, timeHeaderOf } from '../protocol/headers.ts'
import { signedContent } from '../protocol/signed-content.ts'
import type { ParsedCredentials } from '../secure-message/credentials.ts'
import { type SignedParts, shownPath } from './change.ts'
import type { OpenedBody } from './content.ts'
import { type ExplainedMessage, instantOf, isSignatureReadable } from './explained-message.ts'
import type { Explanation } from './explanation.ts'
import { maskBody, shownHeader, toVisible, visible } from './visible.ts'

/** The first line, the headers, the time, the signature and the key of a message. */
export function describeMessage(
  { direction, method, path, headers, rawHeaders }: ExplainedMessage,
  { peerPublicKeys }: ParsedCredentials,
  { now, isFresh }: { readonly now: number; readonly isFresh: boolean },
): Pick<Explanation, 'direction' | 'method' | 'path' | 'headers' | 'time' | 'signature' | 'key'> {
  const header = timeHeaderOf(direction)
  const text = headers.get(header.toLowerCase())
  const sentAt = instantOf(text)
  const signature = headers.get('signature')
  const parsed = signature === undefined || !isSignatureReadable(headers) ? undefined : parseSignatureHeader(signature)
  const key = parsed && peerPublicKeys.get(parsed.keyVersion)
  return {
    direction,
    method: toVisible(method.slice(0, 20)),
    path: shownPath(path),
    headers: rawHeaders
      .slice(0, 100)
      .map(([name, value]) => ({ name: toVisible(name.slice(0, 100)), value: shownHeader(name, value) })),
    ...(text !== undefined && {
      time: {
        header,
        text: toVisible(text.slice(0, 100)),
        ...(sentAt !== undefined && {
          sentAt: new Date(sentAt).toISOString(),
          ageSeconds: Math.round((now - sentAt) / 1000),
        }),
        isFresh,
      },
    }),
    ...(signature !== undefined && {
      signature: {
        ...(parsed && { algorithm: parsed.algorithm, bytes: parsed.signature.length }),
        ...(parsed?.keyVersion !== undefined && { keyVersion: parsed.keyVersion }),
      },
    }),
    ...(key && {
      key: {
        version: key.version,
        algorithm: key.key.algorithm,
        ...(key.key.fingerprint !== undefined && { fingerprint: key.key.fingerprint }),
      },
    }),
  }
}

/** The signed text and the body of a message. */
export function describeContent(
  { direction, method, path, headers, body }: ExplainedMessage,
  { clientId }: ParsedCredentials,
  { plaintext, isEncrypted }: OpenedBody,
  found: SignedParts | undefined,
  showData: boolean,
): Pick<Explanation, 'signed' | 'body'> {
  const time = headers.get(timeHeaderOf(direction).toLowerCase()) ?? ''
  const show = (bytes: Uint8Array) => (showData ? bytes : maskBody(bytes))
  const hide = (text: string) => (showData ? text : shownPath(text))
  const head = { method, path, clientId, time }
  return {
    signed: {
      expected: visible(signedContent({ ...head, path: hide(path) }, show(body))),
      ...(found && { found: visible(found.layout({ ...found, path: hide(found.path), body: show(found.body) })) }),
      sha256: sha256(signedContent(head, body), 'hex'),
    },
    body: {
      bytes: body.length,
      isEncrypted,
      ...(plaintext && { plaintext: visible(show(plaintext)) }),
    },
  }
}
