import express, { type RequestHandler } from 'express'
import { listen } from '../../../tests/support/http.ts'
import { order } from '../../../tests/support/messages.ts'
import { json, requirePeer, secretOf, textOf } from './peer.ts'
import { signWithEmptySecret, stripe } from './stripe.ts'
import type { Accepted, Delivery, Receiver, Setup, Subject } from './subject.ts'

interface Tern {
  readonly WebhookVerificationService: {
    verify(
      request: Request,
      config: { platform: string; secret: string; toleranceInSeconds: number },
    ): Promise<{ isValid: boolean; payload?: unknown; error?: string }>
  }
}
interface TernExpress {
  createWebhookMiddleware(options: { platform: string; secret: string }): RequestHandler
}

/** As "Basic Usage" and "Express.js middleware" of its README, with the platform of both, stripe. */
export function tern(): Subject {
  const { WebhookVerificationService } = requirePeer<Tern>('@hookflo/tern')
  const { createWebhookMiddleware } = requirePeer<TernExpress>('@hookflo/tern/express')
  // The library of that platform signs the messages.
  const { receiver: sender } = stripe()
  if (sender === undefined) throw new Error('no sender')

  async function receive({ headers, body }: Delivery, secret: string): Promise<Accepted | undefined> {
    const request = new Request('http://localhost/webhooks/stripe', {
      method: 'POST',
      headers,
      body: new Uint8Array(body),
    })
    const config = { platform: 'stripe', secret, toleranceInSeconds: 300 }
    const { isValid, payload } = await WebhookVerificationService.verify(request, config)
    return isValid ? { value: payload } : undefined
  }
  const mount = async (before: RequestHandler[], onMessage: (value: unknown) => Promise<void> | void) => {
    const app = express()
    // Express logs no error then.
    app.set('env', 'test')
    app.post(
      '/webhooks/stripe',
      ...before,
      createWebhookMiddleware({ platform: 'stripe', secret: secretOf() }),
      async (request, response) => {
        await onMessage((request as typeof request & { webhook: { payload: unknown } }).webhook.payload)
        response.json({ received: true })
      },
    )
    return listen(app.listen(0, '127.0.0.1'))
  }
  const receiver: Receiver = {
    ...{ decodes: true, parses: true, signsTime: true },
    signatureHeader: sender.signatureHeader,
    sign: sender.sign,
    receive: (delivery) => receive(delivery, secretOf()),
    async receiveParsed({ headers, body }) {
      const seen: unknown[] = []
      const server = await mount([express.json()], (value) => void seen.push(value))
      try {
        const response = await fetch(`http://127.0.0.1:${server.port}/webhooks/stripe`, {
          ...{
            method: 'POST',
            headers: { 'content-type': 'application/json', ...headers },
            body: new Uint8Array(body),
          },
        })
        const text = await response.text()
        return seen.length > 0 ? { value: seen[0] } : text
      } catch (error) {
        return textOf(error)
      } finally {
        await server.close()
      }
    },
    ...(sender.otherAlgorithms && { otherAlgorithms: sender.otherAlgorithms }),
  }
  const setup: Setup = {
    secret: (text) => async () => (await receive(await sender.sign(json(order())), text)) !== undefined,
    unset: (secret) => async () => (await receive(signWithEmptySecret(), secret as string)) !== undefined,
  }
  return {
    name: '@hookflo/tern',
    receiver,
    setup,
    endpoint: {
      responds: false,
      limitsBodyTime: false,
      listen: (onMessage) => mount([], onMessage),
      message: async (stranger) => ({ path: '/webhooks/stripe', ...(await sender.sign(json(order()), { stranger })) }),
    },
  }
}
