/**
 * For Fastify 4 and 5.
 *
 * @packageDocumentation
 */
export { type FastifyInstance, type FastifyOrderSyncOptions, fastifyOrderSync } from '../adapters/fastify.ts'
