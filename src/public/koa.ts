/**
 * For Koa 2 and 3.
 *
 * @packageDocumentation
 */
export { type KoaContext, koaOrderSync } from '../adapters/koa.ts'
