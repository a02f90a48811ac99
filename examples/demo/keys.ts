import { generateKeyPair } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Credentials } from 'alipayhk-order-sync'

/** The id that AlipayHK assigns to a merchant. Every message contains it, in both directions. */
const clientId = '4Q5Y8W0WSG45P907917'

/** The credentials of each side: its own private key and the public key of its peer. */
export interface Keys {
  readonly merchant: Credentials
  readonly alipayhk: Credentials
  /** An attacker: has the merchant's public key, and a private key that the merchant does not trust. */
  readonly stranger: Credentials
}

/** Generates a key pair for each side, as `npx alipayhk-order-sync keygen` does, and exchanges the public keys. */
export async function generateKeys(folder: string): Promise<Keys> {
  await Promise.all(['merchant', 'alipayhk', 'stranger'].map((owner) => generatePair(join(folder, owner))))
  const credentials = (owner: string, peer: string) => readCredentials(join(folder, owner), join(folder, peer))
  return {
    merchant: await credentials('merchant', 'alipayhk'),
    alipayhk: await credentials('alipayhk', 'merchant'),
    stranger: await credentials('stranger', 'merchant'),
  }
}

async function generatePair(folder: string): Promise<void> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  await mkdir(folder)
  await writeFile(join(folder, 'private.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  await writeFile(join(folder, 'public.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
}

async function readCredentials(ownFolder: string, peerFolder: string): Promise<Credentials> {
  return {
    clientId,
    // By version: the next key gets version 2. Both versions work during the rotation.
    privateKeys: { 1: await readFile(join(ownFolder, 'private.pem'), 'utf8') },
    peerPublicKeys: { 1: await readFile(join(peerFolder, 'public.pem'), 'utf8') },
  }
}
