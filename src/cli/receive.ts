import { createTestReceiver, type ReceiverResponse } from 'alipayhk-order-sync/testing'
import { defineCommand } from './command.ts'
import { IDENTITY_OPTIONS, readCredentials } from './identity.ts'
import { optional, text, wholeNumber, withDefault } from './option.ts'
import { print, printJson } from './output.ts'
import { waitForStop } from './server.ts'

const OPTIONS = {
  responses: withDefault(
    'S',
    text('LIST', 'the responses, in sequence: S, F, U, slow, broken, unsigned, html-502; then always S'),
  ),
  ...IDENTITY_OPTIONS,
  port: withDefault('3002', wholeNumber('N', '0 selects a free port', { max: 65_535 })),
  'signed-path': optional(text('PATH', 'the path that the sender signs, if it differs from the path of the request')),
}

const IDENTITY = '--client-id ID --private-key alipayhk/private.pem --peer-public-key merchant/public.pem'

export const receive = defineCommand(
  {
    name: 'receive',
    summary: "simulate AlipayHK's receiving side, with faults",
    description:
      'Receives the orders that your client sends, and returns the responses of --responses: signed (S, F, U), after 30 seconds (slow), cut off (broken), without a signature (unsigned), or as a proxy (html-502). Prints one line of JSON for each order. Listens on this machine only.',
    options: OPTIONS,
    examples: [
      {
        does: 'fail twice, then accept',
        line: `npx alipayhk-order-sync receive --responses html-502,U,S ${IDENTITY}`,
      },
    ],
  },
  async ({ values }) => {
    const receiver = createTestReceiver({
      credentials: await readCredentials(values),
      signedPath: values['signed-path'],
      // createTestReceiver() rejects unknown words, and names them.
      responses: values.responses.split(',').map((word) => word.trim() as ReceiverResponse),
      async respond(order) {
        await printJson({ event: 'order', order })
        return { orderId: order.merchantBizNo.slice(0, 64) }
      },
    })
    const stopped = waitForStop()
    const server = await receiver.listen({ port: values.port })
    await print(`listening on ${server.url}`)
    const failure = await stopped
    await server.close()
    if (failure !== undefined) throw failure
    return 0
  },
)
