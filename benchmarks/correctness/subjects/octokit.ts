import { createServer, type RequestListener } from 'node:http'
import { listen } from '../../../tests/support/http.ts'
import { order } from '../../../tests/support/messages.ts'
import { importPeer, json, secretOf, textOf } from './peer.ts'
import type { Accepted, Delivery, Receiver, Setup, Subject } from './subject.ts'

interface Message {
  readonly id: string
  readonly name: string
  readonly payload: unknown
}
interface Webhooks {
  sign(payload: string): Promise<string>
  verify(payload: unknown, signature: string): Promise<boolean>
  verifyAndReceive(message: Message & { payload: string; signature: string }): Promise<void>
  onAny(callback: (message: Message) => Promise<void> | void): void
}
interface Octokit {
  readonly Webhooks: new (options: object) => Webhooks
  createNodeMiddleware(webhooks: Webhooks, options: object): RequestListener
}

const NO_LOG = { debug() {}, info() {}, warn() {}, error() {} }

/** As "Usage" and "webhooks.verifyAndReceive()" of its README. */
export async function octokit(): Promise<Subject> {
  const { Webhooks, createNodeMiddleware } = await importPeer<Octokit>('@octokit/webhooks/dist-bundle/index.js')
  const create = (options: object = {}) => new Webhooks({ secret: secretOf(), log: NO_LOG, ...options })

  const sign = async (body: Buffer, secret = secretOf()): Promise<Delivery> => ({
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      'x-hub-signature-256': await create({ secret }).sign(body.toString()),
    },
    body,
  })
  async function receive({ headers, body }: Delivery, webhooks = create()): Promise<Accepted | undefined> {
    const seen: Accepted[] = []
    webhooks.onAny(({ name, payload }) => void seen.push({ value: payload, header: name }))
    await webhooks.verifyAndReceive({
      id: headers['x-github-delivery'] ?? '',
      name: headers['x-github-event'] ?? '',
      signature: headers['x-hub-signature-256'] ?? '',
      payload: body.toString(),
    })
    return seen[0]
  }
  const receiver: Receiver = {
    ...{ decodes: false, parses: true, signsTime: false },
    signatureHeader: 'x-hub-signature-256',
    readHeader: 'x-github-event',
    sign: (body, { stranger = false } = {}) => sign(body, secretOf(stranger)),
    receive: (delivery) => receive(delivery),
    async receiveParsed({ headers, body }) {
      const value: unknown = JSON.parse(body.toString())
      try {
        const isGenuine = await create().verify(value, headers['x-hub-signature-256'] ?? '')
        return isGenuine ? { value } : 'verify() resolves to false'
      } catch (error) {
        return textOf(error)
      }
    },
    otherAlgorithms: (body) =>
      ['sha1=', 'sha512=', ''].map((prefix) => ({
        headers: { 'x-github-event': 'push', 'x-hub-signature-256': `${prefix}${'0'.repeat(64)}` },
        body,
      })),
    async rotate(body) {
      const webhooks = () => create({ additionalSecrets: [secretOf(true)] })
      return {
        byOldKey: await receive(await sign(body), webhooks()),
        byNewKey: await receive(await sign(body, secretOf(true)), webhooks()),
      }
    },
  }

  const setup: Setup = {
    secret(secret) {
      const webhooks = create({ secret })
      return async () => (await receive(await sign(json(order())), webhooks)) !== undefined
    },
    unset(secret) {
      const webhooks = create({ secret })
      return async () => (await receive(await sign(json(order()), secret ?? 'undefined'), webhooks)) !== undefined
    },
  }
  return {
    name: '@octokit/webhooks',
    receiver,
    setup,
    endpoint: {
      responds: true,
      limitsBodyTime: false,
      async listen(onMessage) {
        const webhooks = create()
        webhooks.onAny(onMessage)
        return listen(createServer(createNodeMiddleware(webhooks, { log: NO_LOG })))
      },
      message: async (stranger) => ({
        path: '/api/github/webhooks',
        ...(await sign(json(order()), secretOf(stranger))),
      }),
    },
    logged: () => ({ objects: [create()], secrets: [Buffer.from(secretOf())] }),
  }
}
