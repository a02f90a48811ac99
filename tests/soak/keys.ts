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

/** The file that the gateway process reads: its private keys, and the merchant's public keys, by version. */
export interface GatewayKeysFile {
  /** The version that signs responses and encrypts them. */
  readonly sending: string
  readonly versions: Readonly<Record<string, { readonly gateway: string; readonly merchant: string }>>
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
   * @param reload Resolves when each process has read its file again.
   * @param messagesEnd Resolves when no message with an old key is on its way.
   */
  readonly rotate: (reload: () => Promise<void>, messagesEnd: () => Promise<void>) => Promise<void>
}

const newPair = async (): Promise<Pair> => await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })

/** Keys of both sides, in two files: one for the processes of the merchant, one for the gateway process. */
export function createSoakKeys(credentialsFile: string, gatewayFile: string): SoakKeys {
  let known: readonly Version[] = [{ version: '1', gateway: gatewayRsa(), merchant: merchantRsa() }]
  let sending = known[0] as Version

  function writeFiles(versions: readonly Version[], sendWith: Version): void {
    const credentials = {
      clientId: CLIENT_ID,
      privateKeys: Object.fromEntries(versions.map(({ version, merchant }) => [version, pem(merchant.privateKey)])),
      peerPublicKeys: Object.fromEntries(versions.map(({ version, gateway }) => [version, pem(gateway.publicKey)])),
      signingKeyVersion: sendWith.version,
      encryptionKeyVersion: sendWith.version,
    }
    const ofGateway: GatewayKeysFile = {
      sending: sendWith.version,
      versions: Object.fromEntries(
        versions.map(({ version, gateway, merchant }) => [
          version,
          { gateway: pem(gateway.privateKey), merchant: pem(merchant.publicKey) },
        ]),
      ),
    }
    replaceFile(credentialsFile, credentials)
    replaceFile(gatewayFile, ofGateway)
  }
  writeFiles(known, sending)
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
      writeFiles(known, old)
      await reload()
      // A request from before the reload is still verified with the old key alone.
      await messagesEnd()
      sending = next
      writeFiles(known, next)
      await reload()
      await messagesEnd()
      writeFiles([next], next)
      await reload()
      known = [next]
    },
  }
}

/** Atomic: a process may start at any moment. */
function replaceFile(file: string, content: object): void {
  writeFileSync(`${file}.new`, JSON.stringify(content), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
