/** One option: its default, if it has one, and the check of its value. */
export interface OptionRule<Value> {
  readonly defaultValue?: Value
  /** Throws when the value is wrong. Not called when an optional value is absent. */
  readonly assert: (value: unknown, name: string) => void
  /** The option has no default and must be given. */
  readonly required?: true
}

/** The rules of all options of one function. A new option does not compile without its rule. */
export type OptionRules<Options> = {
  readonly [Name in keyof Options]-?: OptionRule<NonNullable<Options[Name]>>
}

/** The options with their defaults filled in. */
export type Resolved<Options, Rules> = {
  readonly [Name in keyof Options]-?: Name extends keyof Rules
    ? Rules[Name] extends { readonly defaultValue: unknown }
      ? NonNullable<Options[Name]>
      : Options[Name]
    : never
}

/**
 * Checks options and fills in defaults, once, when an object is created. Rejects unknown names, because a misspelt
 * option would silently have no effect. An explicit `undefined` counts as absent.
 *
 * @param owner The function whose options they are, for error messages.
 * @throws TypeError when an option is unknown, missing or of the wrong type
 * @throws RangeError when a value is out of range
 */
export function resolveOptions<Options extends object, Rules extends OptionRules<Options>>(
  owner: string,
  rules: Rules,
  options: Options,
): Resolved<Options, Rules> {
  if (typeof options !== 'object' || options === null) throw new TypeError(`${owner}() takes an object of options`)
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(rules, name)) throw new TypeError(`${owner}() has no option "${name.slice(0, 64)}"`)
  }
  const resolved: Record<string, unknown> = {}
  for (const [name, rule] of Object.entries<OptionRule<unknown>>(rules)) {
    const given: unknown = Reflect.get(options, name)
    // Not `??`: null is a wrong value, not an absent one.
    const value = given === undefined ? rule.defaultValue : given
    if (value !== undefined) rule.assert(value, name)
    else if (rule.required) throw new TypeError(`"${name}" is missing`)
    resolved[name] = value
  }
  return resolved as Resolved<Options, Rules>
}

/** Any value: the function that reads the option checks it. */
export const anyValue = () => ({ assert: () => {} })

/** A number above 0, below 2 ** 31 for a timer: a longer timer fires at once. */
export function positiveNumber(defaultValue: number, { isTimer = false } = {}) {
  return {
    defaultValue,
    assert(value: unknown, name: string) {
      if (!(typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY)) {
        throw new RangeError(`"${name}" must be positive and finite`)
      }
      if (isTimer && value >= 2 ** 31) throw new RangeError(`"${name}" must be less than 2 ** 31`)
    },
  }
}

/** A number, 0 or more. */
export function nonNegativeNumber(defaultValue: number) {
  return {
    defaultValue,
    assert(value: unknown, name: string) {
      if (!(typeof value === 'number' && value >= 0)) throw new RangeError(`"${name}" must not be negative`)
    },
  }
}

/** A whole number, from `min` on. */
export function wholeNumber(defaultValue: number, { min }: { min: number }) {
  const expected = min === 1 ? 'a positive integer' : `a whole number, ${min} or more`
  return {
    defaultValue,
    assert(value: unknown, name: string) {
      if (!Number.isSafeInteger(value) || Number(value) < min) throw new RangeError(`"${name}" must be ${expected}`)
    },
  }
}

/** One of a few texts. */
export function oneOf<Value extends string>(values: readonly Value[], defaultValue: Value) {
  return { defaultValue, ...optionalOneOf(values) }
}

/** One of a few texts, without a default. */
export function optionalOneOf(values: readonly string[]) {
  return {
    assert(value: unknown, name: string) {
      if (!values.some((allowed) => allowed === value)) throw new RangeError(`"${name}" must be ${listOf(values)}`)
    },
  }
}

/** True or false. */
export function flag(defaultValue: boolean) {
  return {
    defaultValue,
    assert(value: unknown, name: string) {
      if (typeof value !== 'boolean') throw new TypeError(`"${name}" must be true or false`)
    },
  }
}

/** A function with a default. */
export function functionWithDefault<Value extends (...args: never[]) => unknown>(defaultValue: Value) {
  return { defaultValue, assert: assertFunction }
}

/** Throws unless the value is a function. */
export function assertFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw new TypeError(`"${name}" must be a function`)
}

/** Throws unless the value is a string. */
export function assertText(value: unknown, name: string): void {
  if (typeof value !== 'string') throw new TypeError(`"${name}" must be a string`)
}

/** Throws unless the value is an AbortSignal. An AbortController, for example, would stop nothing. */
export function assertSignal(value: unknown, name: string): void {
  if (!(value instanceof AbortSignal)) throw new TypeError(`"${name}" must be an AbortSignal`)
}

/** Whether a value is an object with a method of that name. */
export function hasMethod(value: unknown, method: string): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function'
}

function listOf(values: readonly string[]): string {
  return values.length < 2 ? values.join() : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`
}

/** A text, or a function that returns one. */
export function textOrFunction() {
  return {
    assert(value: unknown, name: string) {
      if (typeof value !== 'string' && typeof value !== 'function') {
        throw new TypeError(`"${name}" must be a string or a function`)
      }
    },
  }
}

/** Throws unless the value implements Standard Schema (https://standardschema.dev). */
export function assertStandardSchema(value: unknown, name: string): void {
  const schema = value as { '~standard'?: { validate?: unknown } } | null
  if (typeof schema?.['~standard']?.validate !== 'function') {
    throw new TypeError(`"${name}" must be a Standard Schema validator: zod 3.24 or later, valibot 1, arktype 2 …`)
  }
}
