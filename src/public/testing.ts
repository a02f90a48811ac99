/**
 * For your tests.
 *
 * @packageDocumentation
 */
export { type StoreCase, storeCases } from '../testing/store-cases.ts'
