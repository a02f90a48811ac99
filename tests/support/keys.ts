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

/** Key pairs. Each is generated on first use and is then the same in the whole process. */
export const merchantRsa = rsa(2048)
export const gatewayRsa = rsa(2048)
export const strangerRsa = rsa(2048)
export const merchantEcc = ec('secp224r1')
export const gatewayEcc = ec('secp224r1')
/** Too short to be accepted. */
export const weakRsa = rsa(1024)
/** Of a curve that is not accepted. */
export const p256 = ec('prime256v1')

/** The key as PEM: PKCS#8 or SPKI. */
export const pem = (key: KeyObject): string =>
  key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }).toString()

/** The key as DER: PKCS#8 or SPKI. */
export const der = (key: KeyObject): Uint8Array =>
  new Uint8Array(key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'der' }))
