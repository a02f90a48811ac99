import { resolveSuite } from '../src/crypto/envelope.ts'
import { secureRandomBytes } from '../src/crypto/random.ts'
import { parseCredentials } from '../src/exchange/credentials.ts'
import { unpack } from '../src/exchange/unpack.ts'
import { STRICT_JSON } from '../src/messages/json.ts'
import { validateOrder } from '../src/messages/validate.ts'
import { collectHeaders } from '../src/protocol/headers.ts'
import { merchantCredentials, NOW, type TestRequest } from '../tests/support/exchange.ts'
import type { Contender } from './measure.ts'
import { inFlight } from './operations.ts'

export const ENVELOPE = { suite: resolveSuite(), randomBytes: secureRandomBytes }

/** Takes a request from its headers to the valid order, without a server. */
export function unpacking({ method, path, headers, body }: TestRequest): Contender {
  const credentials = parseCredentials(merchantCredentials())
  const scrutiny = { now: NOW, toleranceSeconds: 300, json: STRICT_JSON }
  return inFlight(async () => {
    const arrived = {
      method,
      path,
      timeHeader: 'Request-Time',
      headers: collectHeaders(headers),
      body: () => body,
    } as const
    return validateOrder((await unpack(arrived, credentials, ENVELOPE, scrutiny)).message)
  })
}
