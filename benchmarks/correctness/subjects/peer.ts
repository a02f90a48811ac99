import { createSign, type KeyObject } from 'node:crypto'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { install } from '../../../scripts/install.ts'
import { gatewayRsa, strangerRsa } from '../../../tests/support/keys.ts'
import type { Name } from './subject.ts'

const folder = resolve('.cache/correctness-peers')

/** Installs the peers in the versions of the committed lockfile. */
export const installPeers = () => install(resolve('benchmarks/correctness/peers'), folder)

/** Loads a CommonJS module of a peer. The caller gives the part of its types that it uses. */
export const requirePeer = <T>(name: string): T => createRequire(`${folder}/package.json`)(name) as T

/** Loads an ES module of a peer, by its path in node_modules. */
export const importPeer = async <T>(path: string): Promise<T> =>
  (await import(pathToFileURL(`${folder}/node_modules/${path}`).href)) as T

/** The version that is installed. */
export const versionOf = (name: Name): string =>
  requirePeer<{ version: string }>(`${folder}/node_modules/${name}/package.json`).version

export const json = (value: unknown) => Buffer.from(JSON.stringify(value))
export const textOf = (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error))

/** Seconds since the epoch. */
export const seconds = (ago = 0) => Math.floor(Date.now() / 1_000) - ago

export const signRsa = (content: string, key: KeyObject) => createSign('sha256').update(content).sign(key, 'base64')
export const privateKeyOf = (stranger = false) => (stranger ? strangerRsa : gatewayRsa)().privateKey

/** Secrets of HMAC, in the format of Standard Webhooks. */
export const secretOf = (stranger = false) =>
  stranger ? 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD' : 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
