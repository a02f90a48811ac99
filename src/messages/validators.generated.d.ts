/** A validator made by ajv at build time; see scripts/generate.ts. */
export interface Validator {
  (value: unknown): boolean
  /** What was wrong with the value of the last call. */
  errors?: readonly { instancePath: string; keyword: string; params: { missingProperty?: string } }[] | null
}
export declare const order: Validator
export declare const response: Validator
