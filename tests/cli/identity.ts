import type { KeyObject } from 'node:crypto'
import { temporaryFolder, writeTo } from '../support/cli.ts'
import { CLIENT_ID } from '../support/messages.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, type Pair, pem, strangerRsa } from '../support/keys.ts'

export const folder = temporaryFolder()

const pairs: Readonly<Record<string, () => Pair>> = { merchantRsa, merchantEcc, gatewayRsa, gatewayEcc, strangerRsa }

/** The path of a file that holds one half of a pair, as PEM. */
export function keyFile(name: string, half: keyof Pair): string {
  const key: KeyObject | undefined = pairs[name]?.()[half]
  if (key === undefined) throw new Error(`no pair is called ${name}`)
  return writeTo(folder, `${name}-${half}.pem`, pem(key))
}

/** The options that say who we are, and who the peer is. */
export const identity = (ours: string, theirs: string): string[] => [
  ...['--client-id', CLIENT_ID],
  ...['--private-key', keyFile(ours, 'privateKey')],
  ...['--peer-public-key', keyFile(theirs, 'publicKey')],
]

export const merchant = () => identity('merchantRsa', 'gatewayRsa')
export const gateway = () => identity('gatewayRsa', 'merchantRsa')
