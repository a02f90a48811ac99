import { type FieldIssue, printable, ProtocolError } from '../errors.ts'
import { type OpenObject, type Order, orderSchema } from './order.ts'
import type { OrderSyncResponse } from '../result-codes.ts'
import { responseSchema } from './response.ts'
import type { StandardSchema } from './standard-schema.ts'
import { order as isOrder, response as isResponse, type Validator } from './validators.generated.js'

/**
 * Asserts that a value is an {@link Order}. Unknown members are kept.
 *
 * @throws {@link RejectionError} `ERR_FIELD_INVALID`
 * @see docs/protocol.md section 5.1
 */
export function validateOrder(value: unknown): Order {
  if (isOrder(value)) return value as Order
  throw fieldsInvalid('order', describe(isOrder, orderSchema))
}

/**
 * Asserts that a value is a {@link OrderSyncResponse}. Unknown members are kept.
 *
 * @throws {@link RejectionError} `ERR_FIELD_INVALID`
 * @see docs/protocol.md section 6.1
 */
export function validateResponse(value: unknown): OrderSyncResponse {
  if (isResponse(value)) return value as OrderSyncResponse
  throw fieldsInvalid('response', describe(isResponse, responseSchema))
}

/**
 * Narrows `extInfo` with the caller's schema; without one it stays an open object.
 *
 * @returns What the schema makes of it.
 * @throws {@link RejectionError} `ERR_FIELD_INVALID`
 */
export async function validateExtInfo<ExtInfo>(
  extInfo: OpenObject,
  schema: StandardSchema<unknown, ExtInfo> | undefined,
): Promise<ExtInfo> {
  if (schema === undefined) return extInfo as ExtInfo
  const result = await schema['~standard'].validate(extInfo)
  if (result.issues === undefined) return result.value
  // The schema's own messages are left out: many of them quote the value. Names can be the sender's own choice.
  const issues = result.issues.map(({ path = [] }) => {
    const steps = path.map((step) => String(typeof step === 'object' ? step.key : step))
    return { field: printable(['extInfo', ...steps].join('.'), 128), expected: 'as the extInfo schema says' }
  })
  throw fieldsInvalid('order', issues)
}

function fieldsInvalid(message: string, issues: readonly FieldIssue[]): ProtocolError {
  const words = issues
    .slice(0, 5)
    .map(({ field, expected }) => (field === '' ? `it must be ${expected}` : `"${field}" must be ${expected}`))
  return new ProtocolError('ERR_FIELD_INVALID', `The ${message} is invalid: ${words.join('; ')}.`, { issues })
}

/** A schema, as far as its descriptions are concerned. */
interface Described {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Described>>
}

function describe(validator: Validator, schema: object): FieldIssue[] {
  const issues = new Map<string, FieldIssue>()
  for (const { instancePath, keyword, params } of validator.errors ?? []) {
    if (keyword === 'anyOf') {
      issues.set('userId', { field: 'userId', expected: 'present with content, or else "openId"' })
      continue
    }
    // The branches of "anyOf" and the word "if" add nothing to what else is found.
    if (
      keyword === 'if' ||
      /^(user|open)Id$/.test(params.missingProperty ?? '') ||
      (keyword === 'pattern' && /^\/(user|open)Id$/.test(instancePath))
    )
      continue
    const path = instancePath.split('/').slice(1)
    if (params.missingProperty !== undefined) path.push(params.missingProperty)
    const expected = path.reduce((at: Described | undefined, step) => at?.properties?.[step], schema as Described)
    issues.set(path.join('.'), { field: path.join('.'), expected: expected?.description ?? 'as the protocol says' })
  }
  // What is no object breaks all other rules too; saying so would only distract.
  const whole = issues.get('')
  return whole === undefined ? [...issues.values()] : [whole]
}
