import { createHmac } from 'node:crypto'
import { json, requirePeer, seconds, secretOf, textOf } from './peer.ts'
import type { Accepted, Caller, Delivery, Receiver, Setup, Subject } from './subject.ts'

interface Stripe {
  readonly webhooks: {
    constructEvent(payload: unknown, header: string, secret: string): unknown
    generateTestHeaderString(options: { payload: string; secret: string; timestamp: number }): string
  }
  readonly customers: { create(params: object): Promise<{ id: string }> }
}

/** What a stranger sends who supposes that the secret is not set. */
export function signWithEmptySecret(): Delivery {
  const [timestamp, body] = [seconds(), json({ object: 'event' })]
  const value = createHmac('sha256', '').update(`${timestamp}.${body}`).digest('hex')
  return { headers: { 'stripe-signature': `t=${timestamp},v1=${value}` }, body }
}

/** As "Webhook signing" and "Configuration" of its README. */
export function stripe(): Subject {
  const Stripe = requirePeer<new (key: string, config: object) => Stripe>('stripe')
  const create = (config: object = {}) =>
    new Stripe('sk_test_4eC39HqLyjWDarjtT1zdp7dc', { telemetry: false, ...config })
  const { webhooks } = create()

  const sign = (body: Buffer, secret: string, secondsAgo = 0): Delivery => ({
    headers: {
      'stripe-signature': webhooks.generateTestHeaderString({
        ...{ payload: body.toString(), secret, timestamp: seconds(secondsAgo) },
      }),
    },
    body,
  })
  const receive = async (delivery: Delivery, secret = secretOf()): Promise<Accepted | undefined> => ({
    value: webhooks.constructEvent(delivery.body, delivery.headers['stripe-signature'] as string, secret),
  })
  const receiver: Receiver = {
    ...{ decodes: true, parses: true, signsTime: true },
    signatureHeader: 'stripe-signature',
    sign: (body, { secondsAgo = 0, stranger = false } = {}) => sign(body, secretOf(stranger), secondsAgo),
    receive: (delivery) => receive(delivery),
    async receiveParsed({ headers, body }) {
      try {
        const value = webhooks.constructEvent(
          JSON.parse(body.toString()),
          headers['stripe-signature'] ?? '',
          secretOf(),
        )
        return { value }
      } catch (error) {
        return textOf(error)
      }
    },
    otherAlgorithms(body) {
      const { headers } = sign(body, secretOf(true))
      const value = headers['stripe-signature'] ?? ''
      return ['v0', 'v2', ''].map((scheme) => ({ headers: { 'stripe-signature': value.replace('v1', scheme) }, body }))
    },
    async rotate(body) {
      const [, byOld = ''] = (sign(body, secretOf()).headers['stripe-signature'] ?? '').split(',')
      const both = {
        headers: { 'stripe-signature': `${sign(body, secretOf(true)).headers['stripe-signature']},${byOld}` },
      }
      return {
        byOldKey: await receive({ ...both, body }, secretOf()),
        byNewKey: await receive({ ...both, body }, secretOf(true)),
      }
    },
  }

  const configFor = (url: string, timeout = 15_000) => {
    const { hostname, port, protocol } = new URL(url)
    return { host: hostname, port: port || 80, protocol: protocol.slice(0, -1), timeout, maxNetworkRetries: 1 }
  }
  const caller: Caller = {
    signsResponses: false,
    call: async (origin, timeout) => (await create(configFor(origin, timeout)).customers.create({ name: 'A' })).id,
    respond: () => ({
      ...{ status: 200, headers: { 'content-type': 'application/json' } },
      body: json({ id: 'cus_1', object: 'customer' }),
    }),
    retryId: ({ headers }) => headers['idempotency-key'],
  }
  const setup: Setup = {
    // The secret is an argument of constructEvent(): nothing is created before the first message.
    secret: (text) => async () => (await receive(sign(json({ object: 'event' }), secretOf()), text)) !== undefined,
    unset: (secret) => () => {
      const { headers, body } = signWithEmptySecret()
      return webhooks.constructEvent(body, headers['stripe-signature'] ?? '', secret as string) !== undefined
    },
  }
  return {
    name: 'stripe',
    receiver,
    caller,
    setup,
    logged: () => ({ objects: [create()], secrets: [Buffer.from('sk_test_4eC39HqLyjWDarjtT1zdp7dc')] }),
  }
}
