/**
 * For Express 4 and 5.
 *
 * @packageDocumentation
 */
export { expressOrderSync } from '../adapters/express.ts'
