import { type FieldIssue, ProtocolError, printable } from '../errors.ts'
import type { OrderSyncResponse } from '../result-codes.ts'
import { type OpenObject, type Order, orderSchema } from './order.ts'
import { responseSchema } from './response.ts'
import type { StandardSchema } from './standard-schema.ts'
import { order as isOrder, response as isResponse, type ValidationError } from './validators.generated.js'

/**
 * Returns the value as an {@link Order}, with its unknown members.
 *
 * @throws {@link ProtocolError} `ERR_FIELD_INVALID`
 * @see docs/protocol.md section 5.1
 * @example
 * ```ts
 * import { validateOrder } from 'alipayhk-order-sync/messages'
 * import { parseJson } from 'alipayhk-order-sync/protocol'
 *
 * export const readOrder = (verifiedBody: Uint8Array) => validateOrder(parseJson(verifiedBody))
 * ```
 */
export function validateOrder(value: unknown): Order {
  if (isOrder(value)) return value
  throw invalidFields('order', toIssues(isOrder.errors ?? [], orderSchema))
}

/**
 * Returns the value as an {@link OrderSyncResponse}, with its unknown members.
 *
 * @throws {@link ProtocolError} `ERR_FIELD_INVALID`
 * @see docs/protocol.md section 6.1
 * @example
 * ```ts
 * import { validateResponse } from 'alipayhk-order-sync/messages'
 *
 * validateResponse({ result: { resultCode: 'SUCCESS', resultStatus: 'S' }, orderId: 'order-1' }) // returns its argument
 * ```
 */
export function validateResponse(value: unknown): OrderSyncResponse {
  if (isResponse(value)) return value
  throw invalidFields('response', toIssues(isResponse.errors ?? [], responseSchema))
}

/**
 * Validates `extInfo` with the caller's schema.
 *
 * @returns The output of the schema.
 * @throws {@link ProtocolError} `ERR_FIELD_INVALID`
 */
export async function validateExtInfo<ExtInfo>(
  extInfo: OpenObject,
  schema: StandardSchema<unknown, ExtInfo>,
): Promise<ExtInfo> {
  const result = await schema['~standard'].validate(extInfo)
  if (result.issues === undefined) return result.value
  // Leave out the messages of the schema: many libraries quote the value. The sender may choose the names.
  const issues = result.issues.map(({ path = [] }) => {
    const steps = path.map((step) => String(typeof step === 'object' ? step.key : step))
    return { field: printable(['extInfo', ...steps].join('.'), 128), expected: 'valid against extInfoSchema' }
  })
  throw invalidFields('order', issues)
}

/** The error for fields that break a rule. */
export function invalidFields(message: 'order' | 'response', issues: readonly FieldIssue[]): ProtocolError {
  const explanations = issues
    .slice(0, 5)
    .map(({ field, expected }) => (field === '' ? `it must be ${expected}` : `"${field}" must be ${expected}`))
  return new ProtocolError('ERR_FIELD_INVALID', `The ${message} is invalid: ${explanations.join('; ')}.`, { issues })
}

/** A JSON Schema; the members that hold descriptions are typed. */
interface DescribedSchema {
  readonly [keyword: string]: unknown
  readonly description?: string
  readonly properties?: Readonly<Record<string, DescribedSchema>>
}

/** Turns the errors of ajv into one issue per field, with the description from the schema. */
function toIssues(errors: readonly ValidationError[], schema: DescribedSchema): FieldIssue[] {
  const issues = new Map<string, FieldIssue>()
  for (const error of errors) {
    if (error.keyword === 'anyOf') {
      issues.set('userId', { field: 'userId', expected: 'present with content, unless "openId" is' })
    } else if (!isConsequence(error)) {
      const path = pathOf(error)
      const described = path.reduce((at: DescribedSchema | undefined, step) => at?.properties?.[step], schema)
      const field = path.join('.')
      issues.set(field, { field, expected: described?.description ?? 'valid' })
    }
  }
  // A message that is not an object breaks all other rules too: report only that.
  const whole = issues.get('')
  return whole === undefined ? [...issues.values()] : [whole]
}

/** Errors of the branches of `anyOf`, and of the keyword `if`. Another error already says what is wrong. */
function isConsequence({ keyword, instancePath, params }: ValidationError): boolean {
  return (
    keyword === 'if' ||
    USER_OR_OPEN_ID.test(params.missingProperty ?? '') ||
    (keyword === 'pattern' && USER_OR_OPEN_ID.test(instancePath.slice(1)))
  )
}

const USER_OR_OPEN_ID = /^(user|open)Id$/

function pathOf({ instancePath, params }: ValidationError): string[] {
  const path = instancePath.split('/').slice(1)
  return params.missingProperty === undefined ? path : [...path, params.missingProperty]
}
