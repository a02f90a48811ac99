import { createTestPeer } from 'alipayhk-order-sync/testing'
import { defineCommand } from './command.ts'
import { IDENTITY_OPTIONS, readCredentials } from './identity.ts'
import { RECORD } from './listen.ts'
import { flag, optional, required, text } from './option.ts'
import { printJson } from './output.ts'
import { findRecorded, type RecordedMessage } from './recording.ts'
import { UsageError } from './usage-error.ts'

const OPTIONS = {
  url: required(text('URL', 'where to send it: an origin, or a full URL')),
  ...IDENTITY_OPTIONS,
  record: RECORD,
  encrypt: flag('encrypt it, whether it was encrypted or not'),
  'request-id': optional(text('ID', 'another requestId: the message is then another request')),
}

const IDENTITY = '--client-id ID --private-key alipayhk/private.pem --peer-public-key merchant/public.pem'

export const replay = defineCommand(
  {
    name: 'replay',
    summary: 'send a recorded message again, signed anew',
    description:
      "Sends a message that `listen` has recorded again, with the time of now. It is signed with --private-key, which the endpoint must know as AlipayHK's: use keys of your own for development. Prints the response as JSON. Give the id that `listen` has printed, or last.",
    options: OPTIONS,
    argument: {
      placeholder: 'ID',
      whenMissing: 'The id of the message is missing; last is the last one.',
      whenRepeated: 'One message is sent at a time, and more than one argument was given.',
    },
    exitStatuses: { 1: 'the endpoint refused the order', 2: 'no decision' },
    examples: [
      {
        does: 'send the last message again',
        line: `npx alipayhk-order-sync replay --url http://127.0.0.1:3000 ${IDENTITY} last`,
      },
    ],
  },
  async ({ values, argument }) => {
    const message = await findRecorded(values.record, argument)
    const peer = createTestPeer(values.url, { credentials: await readCredentials(values) })
    const encrypt = values.encrypt || message.headers['encrypt'] !== undefined
    const { status, result, orderId, signed, encrypted } = await peer.send(orderOf(message), {
      encrypt,
      requestId: values['request-id'],
    })
    await printJson({ status, result, orderId, signed, encrypted })
    if (result.resultStatus === 'S') return 0
    return result.resultStatus === 'F' ? 1 : 2
  },
)

/** The order of a message. One that did not verify is sent if it is in the clear. */
function orderOf({ order, bodyBase64 }: RecordedMessage): object {
  if (order !== undefined) return order
  try {
    const value: unknown = JSON.parse(Buffer.from(bodyBase64, 'base64').toString())
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // The text is not JSON: said below.
  }
  throw new UsageError('The message has no order that can be read: it was encrypted, and did not verify.')
}
