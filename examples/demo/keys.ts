import { generateKeyPair } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Credentials } from 'alipayhk-order-sync'

/** The id that AlipayHK assigns to a merchant. Both sides put it into every message. */
const clientId = '4Q5Y8W0WSG45P907917'

/** What each side knows: its own private key, and the other's public key. */
export interface Keys {
  readonly merchant: Credentials
  readonly alipayhk: Credentials
  /** Knows the merchant's public key, as everybody may, and has a private key that nobody trusts. */
  readonly stranger: Credentials
}

/** Makes a pair of keys for each side, the way `npx alipayhk-order-sync keygen` does, and has them swap public keys. */
export async function makeKeys(folder: string): Promise<Keys> {
  await Promise.all(['merchant', 'alipayhk', 'stranger'].map((owner) => makePair(join(folder, owner))))
  const credentials = (owner: string, peer: string) => readCredentials(join(folder, owner), join(folder, peer))
  return {
    merchant: await credentials('merchant', 'alipayhk'),
    alipayhk: await credentials('alipayhk', 'merchant'),
    stranger: await credentials('stranger', 'merchant'),
  }
}

async function makePair(folder: string): Promise<void> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  await mkdir(folder)
  await writeFile(join(folder, 'private.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  await writeFile(join(folder, 'public.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
}

async function readCredentials(ownFolder: string, peerFolder: string): Promise<Credentials> {
  return {
    clientId,
    // By version: the next key gets version 2, and both are known while the peer changes over.
    privateKeys: { 1: await readFile(join(ownFolder, 'private.pem'), 'utf8') },
    peerPublicKeys: { 1: await readFile(join(peerFolder, 'public.pem'), 'utf8') },
  }
}
