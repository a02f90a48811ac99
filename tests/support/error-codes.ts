import { PROTOCOL_ERRORS } from '../../src/errors.ts'
import { parse, unionMembers } from './declarations.ts'

const file = parse('src/errors.ts')

/** The codes of each error class, as src/errors.ts declares them. */
export const ERROR_CODES = {
  ProtocolError: Object.keys(PROTOCOL_ERRORS),
  ConfigurationError: unionMembers(file, 'ConfigurationErrorCode'),
  HandlerError: unionMembers(file, 'HandlerErrorCode'),
  OrderRefusedError: ['ERR_REFUSED'],
  DeliveryError: unionMembers(file, 'DeliveryErrorCode'),
  UntrustedResponseError: unionMembers(file, 'UntrustedResponseCode'),
} as const satisfies Record<string, readonly string[]>

/** Every code of every error class. */
export const ALL_ERROR_CODES: readonly string[] = Object.values(ERROR_CODES).flat()
