import Ajv from 'ajv'

const compiled = new WeakMap<object, (value: unknown) => boolean>()

/**
 * What another JSON Schema validator decides, with a schema as it is published: without `nullable`, which is not standard.
 * Compiled on first use, inside a test: a schema that does not compile must fail the test, not the import.
 */
export function isValidFor(schema: object, value: unknown): boolean {
  const validate = compiled.get(schema) ?? compile(schema)
  compiled.set(schema, validate)
  return validate(value)
}

function compile(schema: object): (value: unknown) => boolean {
  const published = JSON.stringify(schema, (key, value: unknown) => (key === 'nullable' ? undefined : value))
  return new Ajv.default({ strictRequired: false, strictTypes: false }).compile<unknown>(JSON.parse(published))
}
