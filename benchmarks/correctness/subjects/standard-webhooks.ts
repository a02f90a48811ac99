import { order } from '../../../tests/support/messages.ts'
import { importPeer, json, requirePeer, seconds, secretOf, textOf } from './peer.ts'
import type { Accepted, Caller, Delivery, Receiver, Setup, Subject } from './subject.ts'

interface Webhook {
  verify(payload: unknown, headers: Readonly<Record<string, string>>): unknown
  sign(id: string, timestamp: Date, payload: string): string
}
type WebhookClass = new (secret: string) => Webhook
interface Svix {
  readonly application: { create(application: object): Promise<{ id: string }> }
}
interface SvixModule {
  readonly Webhook: WebhookClass
  readonly Svix: new (token: string, options: object) => Svix
}

/** Verification as in the README of standardwebhooks. svix has the same class, and its own header names besides. */
function webhooks(Webhook: WebhookClass, prefix: 'webhook' | 'svix') {
  const create = (secret = secretOf()) => new Webhook(secret)
  const sign = (body: Buffer, secret = secretOf(), secondsAgo = 0): Delivery => {
    const [id, timestamp] = ['msg_p5jXN8AQM9LWM0D4loKWxJek', seconds(secondsAgo)]
    const signature = create(secret).sign(id, new Date(timestamp * 1_000), body.toString())
    const headers = { id, timestamp: String(timestamp), signature }
    return {
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [`${prefix}-${name}`, value])),
      body,
    }
  }
  const receive = async ({ headers, body }: Delivery, webhook = create()): Promise<Accepted | undefined> => ({
    value: webhook.verify(body, headers),
    header: headers[`${prefix}-id`],
  })
  const signatureHeader = `${prefix}-signature`
  const receiver: Receiver = {
    ...{ decodes: true, parses: prefix === 'webhook', signsTime: true },
    signatureHeader,
    timeHeader: `${prefix}-timestamp`,
    readHeader: `${prefix}-id`,
    sign: (body, { secondsAgo = 0, stranger = false } = {}) => sign(body, secretOf(stranger), secondsAgo),
    receive: (delivery) => receive(delivery),
    async receiveParsed({ headers, body }) {
      try {
        return { value: create().verify(JSON.parse(body.toString()), headers) }
      } catch (error) {
        return textOf(error)
      }
    },
    otherAlgorithms(body) {
      const { headers } = sign(body, secretOf(true))
      const change = (version: string) => ({
        [signatureHeader]: (headers[signatureHeader] ?? '').replace('v1', version),
      })
      return ['v0', 'v1a', ''].map((version) => ({ headers: { ...headers, ...change(version) }, body }))
    },
    async rotate(body) {
      const byOld = sign(body)
      const byNew = sign(body, secretOf(true))
      const value = `${byOld.headers[signatureHeader]} ${byNew.headers[signatureHeader]}`
      const both = { headers: { ...byOld.headers, [signatureHeader]: value }, body }
      return { byOldKey: await receive(both), byNewKey: await receive(both, create(secretOf(true))) }
    },
  }
  const setup: Setup = {
    secret(text) {
      const webhook = create(text)
      return async () => (await receive(sign(json(order())), webhook)) !== undefined
    },
    unset(secret) {
      const webhook = new Webhook(secret as string)
      return async () => (await receive(sign(json(order()), secretOf(true)), webhook)) !== undefined
    },
  }
  const logged = () => ({
    objects: [create()],
    secrets: [Buffer.from(secretOf()), Buffer.from(secretOf().slice('whsec_'.length), 'base64')],
  })
  return { receiver, setup, logged }
}

export const standardWebhooks = (): Subject => ({
  name: 'standardwebhooks',
  ...webhooks(requirePeer<{ Webhook: WebhookClass }>('standardwebhooks').Webhook, 'webhook'),
})

export async function svix(): Promise<Subject> {
  const { Webhook, Svix } = await importPeer<SvixModule>('svix/dist/index.mjs')
  const create = (serverUrl: string, requestTimeout = 15_000) =>
    new Svix('testsk_1.eu', { serverUrl, requestTimeout, numRetries: 1 })
  const caller: Caller = {
    signsResponses: false,
    call: async (origin, timeout) => (await create(origin, timeout).application.create({ name: 'A' })).id,
    respond: () => ({
      ...{ status: 200, headers: { 'content-type': 'application/json' } },
      body: json({ id: 'app_1', name: 'A', createdAt: '2026-01-01T00:00:00Z', updatedAt: '2026-01-01T00:00:00Z' }),
    }),
    retryId: ({ headers }) => headers['idempotency-key'],
    configure: (url) => void create(url),
  }
  return { name: 'svix', ...webhooks(Webhook, 'svix'), caller }
}
