/** The diagrams of the documentation. scripts/generate.ts writes them to docs/images. */
import { bothDirections } from './diagrams/both-directions.ts'
import { handlerPipeline } from './diagrams/handler-pipeline.ts'
import { idempotencyDecision } from './diagrams/idempotency-decision.ts'
import { keyRotation } from './diagrams/key-rotation.ts'
import { lease } from './diagrams/lease.ts'
import { messageOnTheWire } from './diagrams/message-on-the-wire.ts'
import { outbox } from './diagrams/outbox.ts'

/** The files by their path. */
export const diagrams: Readonly<Record<string, string>> = {
  'docs/images/both-directions.svg': bothDirections,
  'docs/images/message-on-the-wire.svg': messageOnTheWire,
  'docs/images/handler-pipeline.svg': handlerPipeline,
  'docs/images/idempotency-decision.svg': idempotencyDecision,
  'docs/images/lease.svg': lease,
  'docs/images/key-rotation.svg': keyRotation,
  'docs/images/outbox.svg': outbox,
}
