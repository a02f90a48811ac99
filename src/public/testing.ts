/**
 * For your tests.
 *
 * @packageDocumentation
 */
export { type StoreCase, type StoreCaseDatabase, storeCases } from '../testing/store-cases.ts'
