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
  encrypt: flag('encrypt the message, even if it was recorded in the clear'),
  'request-id': optional(text('ID', 'send a different requestId, which makes the message a new request')),
}

const IDENTITY = '--client-id ID --private-key alipayhk/private.pem --peer-public-key merchant/public.pem'

export const replay = defineCommand(
  {
    name: 'replay',
    summary: 'sign a recorded message again, and send it',
    description:
      "Signs a message that `listen` recorded with the current time, sends it, and prints the response as JSON. ID is the id that `listen` printed, or last. It signs with --private-key. The endpoint must accept that key as AlipayHK's, so use test keys.",
    options: OPTIONS,
    argument: {
      placeholder: 'ID',
      whenMissing: 'The id of the message is missing. Use last for the last message.',
      whenRepeated: 'Give one message. There is more than one argument.',
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

/** The order of a message. If the message did not verify, its body is used, which must then be plain. */
function orderOf({ order, bodyBase64 }: RecordedMessage): object {
  if (order !== undefined) return order
  try {
    const value: unknown = JSON.parse(Buffer.from(bodyBase64, 'base64').toString())
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Not JSON: the error is thrown below.
  }
  throw new UsageError(
    'The order in the message cannot be read: it is not JSON, or the message was encrypted and its signature did not verify.',
  )
}
