import { generateKeyPair, type KeyObject } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Pair } from '../support/keys.ts'
import { gatewayRsa, merchantRsa, pem } from '../support/keys.ts'
import { CLIENT_ID } from '../support/messages.ts'

/** The keys of one side, by version. Both sides rotate at the same time, so a version names a pair of each. */
interface Version {
  readonly version: string
  readonly gateway: Pair
  readonly merchant: Pair
}

/** The keys that gateway and merchant use now. */
export interface SoakKeys {
  /** What the gateway signs with and encrypts to. Changes with each rotation. */
  readonly current: () => { readonly version: string; readonly signWith: KeyObject; readonly encryptTo: KeyObject }
  /** The merchant's public key of a version, if the gateway accepts it. */
  readonly merchantPublicKey: (version: string) => KeyObject | undefined
  /** The gateway's private key of a version, if the gateway still has it. */
  readonly gatewayPrivateKey: (version: string) => KeyObject | undefined
  /**
   * Replaces the keys of both sides, in the order of docs/protocol.md: the receiver knows a key before the sender uses it, and forgets the old one
   * when no message uses it.
   *
   * @param reload Resolves when each replica has read the credentials again.
   * @param messagesEnd Resolves when no message with an old key is on its way.
   */
  readonly rotate: (reload: () => Promise<void>, messagesEnd: () => Promise<void>) => Promise<void>
}

const newPair = async (): Promise<Pair> => await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })

/** Keys of both sides. The merchant's credentials are in a file, which every replica reads. */
export function createSoakKeys(credentialsFile: string): SoakKeys {
  let known: readonly Version[] = [{ version: '1', gateway: gatewayRsa(), merchant: merchantRsa() }]
  let sending = known[0] as Version

  /** Atomic: a replica may start at any moment. */
  function writeCredentials(versions: readonly Version[], sendWith: Version): void {
    const credentials = {
      clientId: CLIENT_ID,
      privateKeys: Object.fromEntries(versions.map(({ version, merchant }) => [version, pem(merchant.privateKey)])),
      peerPublicKeys: Object.fromEntries(versions.map(({ version, gateway }) => [version, pem(gateway.publicKey)])),
      signingKeyVersion: sendWith.version,
      encryptionKeyVersion: sendWith.version,
    }
    writeFileSync(`${credentialsFile}.new`, JSON.stringify(credentials), { mode: 0o600 })
    renameSync(`${credentialsFile}.new`, credentialsFile)
  }
  writeCredentials(known, sending)
  const find = (wanted: string) => known.find(({ version }) => version === wanted)

  return {
    current: () => ({
      version: sending.version,
      signWith: sending.gateway.privateKey,
      encryptTo: sending.merchant.publicKey,
    }),
    merchantPublicKey: (version) => find(version)?.merchant.publicKey,
    gatewayPrivateKey: (version) => find(version)?.gateway.privateKey,
    async rotate(reload, messagesEnd) {
      const old = sending
      const version = String(Number(old.version) + 1)
      const next: Version = { version, gateway: await newPair(), merchant: await newPair() }
      known = [old, next]
      writeCredentials(known, old)
      await reload()
      sending = next
      writeCredentials(known, next)
      await reload()
      await messagesEnd()
      writeCredentials([next], next)
      await reload()
      known = [next]
    },
  }
}
