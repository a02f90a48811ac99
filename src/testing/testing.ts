/**
 * For your tests.
 *
 * @packageDocumentation
 */
export { type StoreCase, storeCases } from './store-cases.ts'
