import type { PublicKey, SigningKey } from '../crypto/key.ts'
import type { VersionedKey } from '../keys/key-ring.ts'
import { encodeUtf8 } from '../protocol/encoding.ts'
import { type WaitLimits, waitFor } from '../timeout.ts'
import { ownKeyError, type ParsedCredentials } from './credentials.ts'

/** The check of one pair of key rings. */
interface Probe {
  running?: Promise<void> | undefined
  /** Whether the check is over: it has ended, or it takes too long. */
  isOver: boolean
  /** The version of the peer's key that is the public half of a private key. */
  ownVersion?: string | undefined
}

const probes = new WeakMap<ParsedCredentials, Probe>()

/** One line, so that it is never the signed content of a message. */
const PROBE = encodeUtf8('alipayhk-order-sync checks that this key is not the key of the peer')

/**
 * Starts the check of {@link assertPeerKeysNotOwn}, so that the first message does not wait for it. A failure has no result:
 * the first message repeats the check, because Workers allow no signature before the first request.
 */
export function startOwnKeyProbe(credentials: ParsedCredentials): void {
  run(probeOf(credentials), credentials).catch(() => {})
}

/**
 * Checks, once for each credentials object, that no key of the peer is the public half of a private key. If a key cannot be
 * exported (a signer, a CryptoKey), it signs a fixed text, and the peer's keys verify it. A signer that fails, or takes longer
 * than the limit, leads to no result.
 *
 * @throws {@link ConfigurationError} `ERR_KEY_OWN`
 * @throws the reason of the signal when it aborts
 */
export async function assertPeerKeysNotOwn(credentials: ParsedCredentials, limits: WaitLimits): Promise<void> {
  const probe = probeOf(credentials)
  if (!probe.isOver) {
    try {
      await waitFor(() => run(probe, credentials), limits)
    } catch {
      limits.signal?.throwIfAborted()
      probe.isOver = true
    }
  }
  if (probe.ownVersion !== undefined) throw ownKeyError(probe.ownVersion)
}

function probeOf(credentials: ParsedCredentials): Probe {
  const known = probes.get(credentials)
  if (known !== undefined) return known
  const probe = { isOver: pairsToProbe(credentials).length === 0 }
  probes.set(credentials, probe)
  return probe
}

function run(probe: Probe, credentials: ParsedCredentials): Promise<void> {
  if (probe.isOver) return Promise.resolve()
  probe.running ??= findOwnKey(credentials).then(
    (version) => {
      probe.isOver = true
      probe.ownVersion = version
    },
    (error) => {
      probe.running = undefined
      throw error
    },
  )
  return probe.running
}

interface Pair {
  readonly ours: SigningKey
  readonly theirs: readonly VersionedKey<PublicKey>[]
}

/** The keys whose fingerprints cannot be compared. */
function pairsToProbe({ privateKeys, peerPublicKeys }: ParsedCredentials): Pair[] {
  return privateKeys.newestFirst
    .flatMap(({ key: { sign } }) => (sign === undefined ? [] : [sign]))
    .map((ours) => ({
      ours,
      theirs: peerPublicKeys.newestFirst.filter(
        ({ key }) =>
          key.algorithm === ours.algorithm && (ours.fingerprint === undefined || key.fingerprint === undefined),
      ),
    }))
    .filter(({ theirs }) => theirs.length > 0)
}

/** @throws the error of a signer, unless another key leads to a result */
async function findOwnKey(credentials: ParsedCredentials): Promise<string | undefined> {
  const results = await Promise.allSettled(pairsToProbe(credentials).map(findOwnKeyOf))
  for (const result of results) {
    if (result.status === 'fulfilled' && result.value !== undefined) return result.value
  }
  for (const result of results) {
    if (result.status === 'rejected') throw result.reason
  }
  return undefined
}

const probeSignatures = new WeakMap<SigningKey, Promise<Uint8Array>>()

/** Signs the probe once for each key: requests that are not verified must not reach a signer again and again. */
function signProbe(key: SigningKey): Promise<Uint8Array> {
  const known = probeSignatures.get(key)
  if (known !== undefined) return known
  const signature = key.sign(PROBE)
  probeSignatures.set(key, signature)
  // After a failure, the next message repeats the check, unless it is sent at the same time.
  signature.catch(() => probeSignatures.delete(key))
  return signature
}

async function findOwnKeyOf({ ours, theirs }: Pair): Promise<string | undefined> {
  const signature = await signProbe(ours)
  for (const { version, key } of theirs) {
    if (await key.verify(PROBE, signature)) return version
  }
  return undefined
}
