import type { KeyObject } from 'node:crypto'
import { createOrderSyncClient } from '../../src/public/index.ts'
import { temporaryFolder, writeTo } from '../support/cli.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, type Pair, pem, strangerRsa } from '../support/keys.ts'
import { CLIENT_ID } from '../support/messages.ts'

export const folder = temporaryFolder()

const pairs: Readonly<Record<string, () => Pair>> = { merchantRsa, merchantEcc, gatewayRsa, gatewayEcc, strangerRsa }

/** Writes one half of a key pair as PEM, and returns the path of the file. */
export function keyFile(name: string, half: keyof Pair): string {
  const key: KeyObject | undefined = pairs[name]?.()[half]
  if (key === undefined) throw new Error(`There is no key pair ${name}`)
  return writeTo(folder, `${name}-${half}.pem`, pem(key))
}

/** The options for our own identity and the public key of the peer. */
export const identity = (ownPair: string, peerPair: string): string[] => [
  ...['--client-id', CLIENT_ID],
  ...['--private-key', keyFile(ownPair, 'privateKey')],
  ...['--peer-public-key', keyFile(peerPair, 'publicKey')],
]

export const merchant = () => identity('merchantRsa', 'gatewayRsa')
export const gateway = () => identity('gatewayRsa', 'merchantRsa')

type SendOptions = Pick<Parameters<typeof createOrderSyncClient>[0], 'fetch' | 'now'>

/** A client of the gateway, in this process. It sends each order once. */
export const gatewayClient = (url: string, options: SendOptions) =>
  createOrderSyncClient({
    credentials: {
      clientId: CLIENT_ID,
      privateKeys: { 1: gatewayRsa().privateKey },
      peerPublicKeys: { 1: merchantRsa().publicKey },
    },
    url,
    retries: 0,
    ...options,
  })
