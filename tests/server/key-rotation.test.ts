import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import {
  type Credentials,
  createOrderSyncClient,
  createOrderSyncHandler,
  isOrderSyncError,
  memoryStore,
  type OrderSyncEvent,
} from '../../src/public/index.ts'
import { toNodeListener } from '../../src/public/node.ts'
import { gatewayRsa, merchantRsa } from '../support/keys.ts'
import { CLIENT_ID } from '../support/messages.ts'

const newPair = () => generateKeyPairSync('rsa', { modulusLength: 2048 })
type Keys = Omit<Credentials, 'clientId'>

/** One side: a server whose credentials can change while it runs, and the events of what it received. */
async function startSide(keys: Keys) {
  let credentials: Credentials = { clientId: CLIENT_ID, ...keys }
  const events: OrderSyncEvent[] = []
  const handler = createOrderSyncHandler({
    credentials: () => credentials,
    store: memoryStore(),
    onOrder: ({ merchantBizNo }) => ({ orderId: merchantBizNo }),
    onEvent: (event) => events.push(event),
  })
  const server = createServer(toNodeListener(handler))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    events,
    credentials: () => credentials,
    deploy: (changed: Keys) => {
      credentials = { clientId: CLIENT_ID, ...changed }
    },
  }
}

type Side = Awaited<ReturnType<typeof startSide>>

/** Sends orders from one side to the other, one after another. Each uses the credentials that its side has by then. */
function startLoad(from: Side, to: Side, encrypt: boolean) {
  const failures: unknown[] = []
  let sent = 0
  let isStopped = false
  let waiting: { readonly until: number; readonly resolve: () => void } | undefined
  const work = async () => {
    while (!isStopped) {
      const client = createOrderSyncClient({ credentials: from.credentials(), url: to.url, encrypt, retries: 0 })
      await client.syncOrder(newOrder()).catch((error: unknown) => failures.push(error))
      sent++
      if (waiting !== undefined && sent >= waiting.until) waiting.resolve()
    }
  }
  const working = work()
  return {
    failures,
    /** Resolves when so many more orders have been sent. From two on, one of them began after the call. */
    passed: (orders: number) =>
      new Promise<void>((resolve) => {
        waiting = { until: sent + orders, resolve }
      }),
    async stop() {
      isStopped = true
      await working
      return sent
    },
  }
}

const newOrder = () => ({
  tradeNo: randomUUID(),
  merchantBizNo: randomUUID(),
  orderStatus: 'PAID',
  orderCreateTime: Date.now(),
  orderModifyTime: Date.now(),
  userId: 'U-1',
  extInfo: {},
})

/** Deploys the steps one after another while orders go both ways, plain and encrypted. */
async function rotate(
  steps: (sides: { merchant: Side; gateway: Side }) => readonly (() => void)[],
  start: Record<'merchant' | 'gateway', Keys>,
) {
  const merchant = await startSide(start.merchant)
  const gateway = await startSide(start.gateway)
  const loads = [false, true, false, true].flatMap((encrypt) => [
    startLoad(merchant, gateway, encrypt),
    startLoad(gateway, merchant, encrypt),
  ])
  const everyLoadPasses = (orders: number) => Promise.all(loads.map(({ passed }) => passed(orders)))
  await everyLoadPasses(4)
  for (const deploy of steps({ merchant, gateway })) {
    deploy()
    await everyLoadPasses(6)
  }
  const sent = await Promise.all(loads.map(({ stop }) => stop()))
  return {
    merchant,
    gateway,
    sent: sent.reduce((sum, count) => sum + count, 0),
    failures: loads.flatMap(({ failures }) => failures),
    refused: [...merchant.events, ...gateway.events].filter(({ kind }) => kind !== 'processed'),
  }
}

const [ours1, ours2, theirs1, theirs2] = [merchantRsa(), newPair(), gatewayRsa(), newPair()]
const OLD = {
  merchant: { privateKeys: { 1: ours1.privateKey }, peerPublicKeys: { 1: theirs1.publicKey } },
  gateway: { privateKeys: { 1: theirs1.privateKey }, peerPublicKeys: { 1: ours1.publicKey } },
}
const oursBoth = { 1: ours1.privateKey, 2: ours2.privateKey }
const oursBothPublic = { 1: ours1.publicKey, 2: ours2.publicKey }
const theirsBoth = { 1: theirs1.privateKey, 2: theirs2.privateKey }
const theirsBothPublic = { 1: theirs1.publicKey, 2: theirs2.publicKey }

test('a rotation of both sides’ keys under load, with the steps of docs/keys.md, rejects no message', async () => {
  const { merchant, gateway, sent, failures, refused } = await rotate(
    ({ merchant, gateway }) => [
      // The merchant's key: docs/keys.md, "Rotate your key".
      () => merchant.deploy({ ...OLD.merchant, privateKeys: oursBoth, signingKeyVersion: '1' }),
      () => gateway.deploy({ ...OLD.gateway, peerPublicKeys: oursBothPublic }),
      () => merchant.deploy({ ...OLD.merchant, privateKeys: oursBoth }),
      () => merchant.deploy({ ...OLD.merchant, privateKeys: { 2: ours2.privateKey } }),
      () => gateway.deploy({ ...OLD.gateway, peerPublicKeys: { 2: ours2.publicKey } }),
      // The gateway's key: docs/keys.md, "Rotate AlipayHK's key".
      () =>
        merchant.deploy({
          privateKeys: { 2: ours2.privateKey },
          peerPublicKeys: theirsBothPublic,
          encryptionKeyVersion: '1',
        }),
      () => gateway.deploy({ privateKeys: theirsBoth, peerPublicKeys: { 2: ours2.publicKey } }),
      () => merchant.deploy({ privateKeys: { 2: ours2.privateKey }, peerPublicKeys: theirsBothPublic }),
      () => gateway.deploy({ privateKeys: { 2: theirs2.privateKey }, peerPublicKeys: { 2: ours2.publicKey } }),
      () => merchant.deploy({ privateKeys: { 2: ours2.privateKey }, peerPublicKeys: { 2: theirs2.publicKey } }),
    ],
    OLD,
  )

  expect({ failures, refused }).toEqual({ failures: [], refused: [] })
  expect(sent).toBeGreaterThan(200)
  // What docs/keys.md tells people to look for in the events.
  for (const { events } of [merchant, gateway]) {
    const versionsOf = (name: 'keyVersion' | 'decryptionKeyVersion') => [
      ...new Set(events.flatMap((event) => event[name] ?? [])),
    ]
    expect(versionsOf('keyVersion')).toEqual(['1', '2'])
    expect(versionsOf('decryptionKeyVersion')).toEqual(['1', '2'])
  }
})

test.each<[string, (sides: { merchant: Side; gateway: Side }) => readonly (() => void)[], string]>([
  [
    'signs with its new key before the gateway has it',
    ({ merchant }) => [() => merchant.deploy({ ...OLD.merchant, privateKeys: oursBoth })],
    'ERR_SIGNATURE_INVALID',
  ],
  [
    'encrypts to a key that the gateway does not have yet',
    ({ merchant }) => [() => merchant.deploy({ ...OLD.merchant, peerPublicKeys: theirsBothPublic })],
    'ERR_DECRYPTION',
  ],
  [
    'removes its old key while the gateway encrypts to it',
    ({ merchant, gateway }) => [
      () => gateway.deploy({ ...OLD.gateway, peerPublicKeys: oursBothPublic, encryptionKeyVersion: '1' }),
      () => merchant.deploy({ ...OLD.merchant, privateKeys: { 2: ours2.privateKey } }),
    ],
    'ERR_DECRYPTION',
  ],
])('a merchant that %s has messages rejected', async (_, steps, code) => {
  const { failures, refused } = await rotate(steps, OLD)
  expect(failures.length).toBeGreaterThan(0)
  expect(failures.every(isOrderSyncError)).toBe(true)
  expect(new Set(refused.map((event) => event.code))).toEqual(new Set([code]))
})
