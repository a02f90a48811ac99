import { resolveEncryptionOptions } from '../src/crypto/envelope.ts'
import { secureRandomBytes } from '../src/crypto/random.ts'
import { parseCredentials } from '../src/secure-message/credentials.ts'
import { verifyMessage } from '../src/secure-message/verify.ts'
import { STRICT_JSON } from '../src/protocol/json.ts'
import { validateOrder } from '../src/messages/validate.ts'
import { collectHeaders } from '../src/protocol/headers.ts'
import { merchantCredentials, NOW, type TestRequest } from '../tests/support/messages.ts'
import type { Contender } from './measure.ts'
import { inFlight } from './operations.ts'

export const ENVELOPE = { suite: resolveEncryptionOptions(), randomBytes: secureRandomBytes }

/** Takes a request from its headers to the valid order, without a server. */
export function unpacking({ method, path, headers, body }: TestRequest): Contender {
  const credentials = parseCredentials(merchantCredentials())
  const scrutiny = { now: NOW, clockToleranceSeconds: 300, json: STRICT_JSON }
  return inFlight(async () => {
    const arrived = {
      method,
      path,
      timeHeader: 'Request-Time',
      headers: collectHeaders(headers),
      body: () => body,
    } as const
    return validateOrder((await verifyMessage(arrived, credentials, ENVELOPE, scrutiny)).message)
  })
}
