import { resolveEncryptionOptions } from '../src/crypto/envelope.ts'
import { secureRandomBytes } from '../src/crypto/node.ts'
import { validateOrder } from '../src/messages/validate.ts'
import { collectHeaders } from '../src/protocol/headers.ts'
import { STRICT_JSON } from '../src/protocol/json.ts'
import { parseCredentials } from '../src/secure-message/credentials.ts'
import type { Encryption } from '../src/secure-message/secure.ts'
import { parseFreshHead, verifyMessage } from '../src/secure-message/verify.ts'
import { merchantCredentials, NOW, type TestRequest } from '../tests/support/messages.ts'
import { runInFlight } from './contenders.ts'
import type { Contender } from './measure.ts'

export const ENCRYPTION: Encryption = { options: resolveEncryptionOptions(), randomBytes: secureRandomBytes }

/** Verifies a request from its headers to the validated order, without a server. */
export function orderVerification({ method, path, headers, body }: TestRequest): Contender {
  const credentials = parseCredentials(merchantCredentials())
  const limits = { now: NOW, clockToleranceSeconds: 300 }
  const options = { encryption: ENCRYPTION, json: STRICT_JSON }
  return runInFlight(async () => {
    const head = parseFreshHead(collectHeaders(headers), 'request', limits)
    const { value } = await verifyMessage({ method, path, head, body }, credentials, options)
    return validateOrder(value)
  })
}
