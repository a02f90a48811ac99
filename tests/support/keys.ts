import { generateKeyPairSync, type KeyObject } from 'node:crypto'

/** Both halves of a key. */
export interface Pair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

const lazy = <T>(make: () => T): (() => T) => {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

const rsa = (modulusLength: number) => lazy<Pair>(() => generateKeyPairSync('rsa', { modulusLength }))
const ec = (namedCurve: string) => lazy<Pair>(() => generateKeyPairSync('ec', { namedCurve }))

/** Key pairs, each made when it is first asked for and then the same for the whole process. */
export const merchantRsa = rsa(2048)
export const gatewayRsa = rsa(2048)
export const strangerRsa = rsa(2048)
export const merchantEcc = ec('secp224r1')
export const gatewayEcc = ec('secp224r1')
/** Refused: too short. */
export const weakRsa = rsa(1024)
/** Refused: another curve. */
export const p256 = ec('prime256v1')

/** PKCS#8 or SPKI, as PEM. */
export const pem = (key: KeyObject): string =>
  key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }).toString()

/** PKCS#8 or SPKI, as DER. */
export const der = (key: KeyObject): Uint8Array =>
  new Uint8Array(key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'der' }))
