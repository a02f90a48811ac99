/**
 * For API routes in the `pages` folder of Next.js. In the `app` folder, write `export const POST = handler.fetch`.
 *
 * @packageDocumentation
 */
export { nextPagesOrderSync } from '../adapters/next-pages.ts'
