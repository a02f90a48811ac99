/**
 * For `node:http`, and for frameworks built on it.
 *
 * @packageDocumentation
 */
export {
  createOrderSyncServer,
  type FrameworkRequest,
  type NodeRequest,
  type NodeResponse,
  toIncomingRequest,
  toNodeListener,
} from '../adapters/node.ts'
