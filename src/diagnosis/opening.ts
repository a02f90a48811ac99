import type { PublicKey, SignatureForm } from '../crypto/key.ts'
import { printable } from '../errors.ts'
import type { ParsedCredentials } from '../secure-message/credentials.ts'
import type { CauseCode } from './change.ts'
import type { ReadSignature, SignatureReading } from './signature-texts.ts'

/** A cause, without the way in which it was found. */
export interface ExplainedCause {
  readonly code: CauseCode
  /** What happened and how to fix it, as sentences. */
  readonly fix: string
}

/** How the signature may have been made: with this key, in this form. */
export interface Opening {
  /** The differences from the protocol. Empty if there are none. */
  readonly causes: readonly ExplainedCause[]
  /** Whether the signature itself shows that the key made it. */
  readonly isCertain: boolean
  /** The cost, higher for less likely ways: the number of causes, plus more for unusual digests. */
  readonly cost: number
  readonly matches: (content: Uint8Array) => boolean | Promise<boolean>
}

/** All ways in which the signature may have been made. The ways of the protocol come first. */
export interface Openings {
  readonly openings: readonly Opening[]
  /** Whether it is certain that no configured key made the signature. */
  readonly isByNoKey: boolean
}

/** A key that may have made the signature. */
interface Candidate {
  readonly key: Pick<PublicKey, 'algorithm' | 'examine'> & { readonly verify?: PublicKey['verify'] }
  readonly causes: readonly ExplainedCause[]
}

const LIKELY_DIGESTS = ['SHA-256', 'SHA-1', 'none']

/** Finds the keys, and the forms of a signature, with which a signature can have been made. */
export function findOpenings(read: ReadSignature, credentials: ParsedCredentials): Openings {
  const openings: Opening[] = []
  let mayBeByKey = read.readings.length === 0
  for (const candidate of candidatesOf(read, credentials)) {
    for (const reading of read.readings) {
      const forms = candidate.key.examine?.(reading.bytes) ?? verifyOnly(candidate, reading)
      mayBeByKey ||= forms.length > 0
      for (const form of forms) {
        const causes = [...candidate.causes, ...readingCauses(reading), ...formCauses(form, candidate.key.algorithm)]
        const cost = causes.length + Number(!LIKELY_DIGESTS.includes(form.digest))
        openings.push({ causes, cost, isCertain: form.isCertain, matches: form.matches })
      }
    }
  }
  const certain = openings.filter(({ isCertain }) => isCertain)
  const possible = certain.length > 0 ? certain : openings
  return {
    openings: possible.toSorted((a, b) => a.cost - b.cost),
    isByNoKey: !mayBeByKey,
  }
}

type Form = Omit<SignatureForm, 'matches'> & Pick<Opening, 'matches'>

/** For a CryptoKey, and on runtimes that cannot examine a signature. */
function verifyOnly({ key: { verify, algorithm } }: Candidate, { bytes }: SignatureReading): Form[] {
  if (verify === undefined) return []
  const padding = algorithm === 'RSA256' ? 'PKCS1' : 'none'
  return [
    { padding, digest: 'SHA-256', encoding: undefined, isCertain: false, matches: (content) => verify(content, bytes) },
  ]
}

function candidatesOf({ isParsed, algorithm, keyVersion }: ReadSignature, credentials: ParsedCredentials): Candidate[] {
  const { peerPublicKeys, privateKeys } = credentials
  const named = peerPublicKeys.get(keyVersion)
  const peers = peerPublicKeys.newestFirst.map(({ version, key }): Candidate => {
    // A header without any pair names no version, not the latest one.
    const isNamed = version === named?.version || (!isParsed && keyVersion === undefined)
    const causes = isNamed ? [] : [versionCause(version, keyVersion, named?.version, credentials)]
    return { key, causes: [...causes, ...algorithmCauses(algorithm, key, version)] }
  })
  const ours = privateKeys.newestFirst.flatMap(({ version, key: { sign } }): Candidate[] =>
    sign?.examine === undefined
      ? []
      : [{ key: { algorithm: sign.algorithm, examine: sign.examine }, causes: [ownKeyCause(version)] }],
  )
  return [...peers, ...ours]
}

function versionCause(
  version: string,
  claimed: string | undefined,
  named: string | undefined,
  { peerPublicKeys }: ParsedCredentials,
): ExplainedCause {
  const versions = peerPublicKeys.newestFirst.map((known) => known.version).join(', ')
  const claim =
    claimed === undefined
      ? `the header names no version, which means the latest: ${named}`
      : `the header names ${printable(claimed, 64)}`
  const fix =
    named === undefined && claimed !== undefined
      ? `The header names keyVersion ${printable(claimed, 64)}; peerPublicKeys has ${versions}. The signature verifies with peerPublicKeys[${version}]: add the key under the version that the sender uses, or correct the header.`
      : `The sender signed with key version ${version}, but ${claim}. Correct the keyVersion in the Signature header, or the versions in peerPublicKeys.`
  return { code: 'key-version', fix }
}

function algorithmCauses(named: string | undefined, key: PublicKey, version: string): ExplainedCause[] {
  const { algorithm } = key
  if (named === undefined || named.toUpperCase() === algorithm) return []
  return [
    {
      code: 'algorithm',
      fix: `The header names ${printable(named, 20)}; peerPublicKeys[${version}] is for ${algorithm}. Send algorithm=${algorithm} in the Signature header, or configure the peer's key for the algorithm that it names.`,
    },
  ]
}

function ownKeyCause(version: string): ExplainedCause {
  return {
    code: 'wrong-key-of-ours',
    fix: `The message was signed with your own privateKeys[${version}], not with the peer's key. To check a message that you sent, use the peer's credentials: its private key, and your public key in peerPublicKeys. To simulate the peer in a test, sign with the private key that belongs to peerPublicKeys.`,
  }
}

function readingCauses({ fix }: SignatureReading): ExplainedCause[] {
  return fix === undefined ? [] : [{ code: 'signature-encoding', fix }]
}

function formCauses({ padding, digest, encoding }: Form, algorithm: PublicKey['algorithm']): ExplainedCause[] {
  const causes: ExplainedCause[] = []
  if (encoding !== undefined) {
    const right =
      algorithm === 'RSA256' ? 'all bytes, the most significant byte first' : 'ASN.1 DER, or IEEE P1363 in 56 bytes'
    causes.push({ code: 'signature-form', fix: `The signature is ${encoding}. Send ${right}.` })
  }
  if (padding === 'PSS') {
    const fix =
      'The signature has PSS padding. RSA256 is RSASSA-PKCS1-v1_5 with SHA-256: in Java "SHA256withRSA", in Python padding.PKCS1v15().'
    causes.push({ code: 'padding', fix })
  }
  if (digest !== 'SHA-256') {
    const what = digest === 'none' ? 'over the bytes without a digest' : `with ${digest}`
    causes.push({
      code: 'digest',
      fix: `The signature was made ${what}. Use SHA-256: in Java "SHA256withRSA", with openssl "dgst -sha256 -sign".`,
    })
  }
  return causes
}
