import { sha256 } from '../crypto/node.ts'
import type { ParsedCredentials } from '../secure-message/credentials.ts'
import { type Change, contentOf, noDigest, type SignedParts, standardLayout } from './change.ts'
import { bodyChanges } from './changes/body.ts'
import { digestChanges } from './changes/digest.ts'
import { clientIdChanges, layoutChanges, methodChanges } from './changes/head.ts'
import { pathChanges } from './changes/path.ts'
import { timeChanges } from './changes/time.ts'
import { type Cause, findOpenings, type Opening } from './opening.ts'
import { readSignature } from './signature-texts.ts'

/** A message whose signature does not verify. */
export interface Evidence {
  readonly method: string
  /** The path that it was verified for. */
  readonly path: string
  /** Other paths that are known of it. */
  readonly otherPaths?: readonly string[]
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly timeHeader: 'Request-Time' | 'Response-Time'
  readonly body: Uint8Array
  /** The body after decryption. Only for a message that is examined by hand: see docs/protocol.md section 4.2. */
  readonly plaintext?: Uint8Array | undefined
}

/** The limits of a search. */
export interface SearchLimits {
  /** How many texts are compared with the signature at most. */
  readonly maxTrials: number
  readonly maxMs: number
  /** How many changes of the content are made at the same time. */
  readonly maxChanges: 1 | 2
  /** How many bytes a compressed body may have when it is decompressed. */
  readonly maxBodyBytes: number
  /** A clock in milliseconds, from any origin. */
  readonly clock: () => number
}

/** What a search has found. */
export interface Found {
  /** What must be changed, all of it, so that the signature verifies. Undefined: nothing was found. */
  readonly causes: readonly Cause[] | undefined
  /** What was signed. */
  readonly parts?: SignedParts
  /** How many texts were compared with the signature. */
  readonly trials: number
  /** Whether the limits ended the search before everything was tried. */
  readonly isCut: boolean
  /** Whether it is certain that no configured key made the signature. */
  readonly isByNoKey: boolean
}

/**
 * Finds the change with which the signature of a message verifies: first single changes, then pairs, the likely ones first.
 * Nothing found here makes a message trusted.
 */
export async function search(evidence: Evidence, credentials: ParsedCredentials, limits: SearchLimits): Promise<Found> {
  const { headers, timeHeader, method, path, body } = evidence
  const read = readSignature(headers.get('signature') ?? '')
  const { openings, isByNoKey } = findOpenings(read, credentials)
  const time = headers.get(timeHeader.toLowerCase()) ?? ''
  const { clientId } = credentials
  const received: SignedParts = { method, path, clientId, time, body, layout: standardLayout, digest: noDigest }
  const endsAt = limits.clock() + limits.maxMs
  let trials = 0
  const isOver = () => trials >= limits.maxTrials || limits.clock() >= endsAt
  const ended = (causes: readonly Cause[] | undefined, parts?: SignedParts): Found => ({
    causes,
    ...(parts && { parts }),
    trials,
    isCut: causes === undefined && openings.length > 0 && isOver(),
    isByNoKey,
  })

  // Each step makes one more change, of the content or, where the signature does not show it, of the way of signing.
  const attempts = createAttempts(received, () => changesOf(evidence, received, limits), limits.maxChanges)
  for (let changes = 0; changes <= limits.maxChanges; changes++) {
    for (const opening of openings) {
      const left = opening.isCertain ? changes : changes - opening.causes.length
      if (left < 0) continue
      for (const { made, parts } of attempts(left)) {
        if (isOver()) return ended(undefined)
        trials++
        if (await matches(opening, parts)) return ended([...opening.causes, ...made].filter(isFirstOfItsCode), parts)
      }
    }
  }
  return ended(undefined)
}

/** Not always awaited: most openings compare digests, and 20,000 promises take longer than that. */
function matches({ matches }: Opening, parts: SignedParts): boolean | Promise<boolean> {
  return matches(contentOf(parts))
}

function isFirstOfItsCode({ code }: Cause, index: number, causes: readonly Cause[]): boolean {
  return causes.findIndex((cause) => cause.code === code) === index
}

function changesOf(evidence: Evidence, received: SignedParts, limits: SearchLimits): Change[] {
  const { headers, timeHeader, path, otherPaths = [], method, plaintext } = evidence
  return [
    ...pathChanges(path, headers, otherPaths),
    ...bodyChanges(received.body, { maxBodyBytes: limits.maxBodyBytes, plaintext }),
    ...clientIdChanges(received.clientId, headers),
    ...timeChanges(received.time, timeHeader, headers),
    ...methodChanges(method),
    ...layoutChanges(),
    ...digestChanges(),
  ]
}

/** A message with some changes. */
interface Attempt {
  readonly made: readonly Change[]
  readonly parts: SignedParts
}

/** Returns a function that makes all attempts with a number of changes: no change, one, or two. */
function createAttempts(received: SignedParts, list: () => readonly Change[], maxChanges: number) {
  const singles: Attempt[] = []
  let isListed = false

  function* one(): Generator<Attempt> {
    if (isListed) yield* singles
    else {
      isListed = true
      const seen = new Set<string>()
      for (const change of list().toSorted((a, b) => a.cost - b.cost)) {
        const parts = change.apply(received)
        if (parts === undefined || isSeen(seen, change, parts)) continue
        const attempt = { made: [change], parts }
        if (maxChanges > 1) singles.push(attempt)
        yield attempt
      }
    }
  }

  function* two(): Generator<Attempt> {
    const byCost = new Map<number, Attempt[]>()
    for (const attempt of singles) {
      const { cost } = firstOf(attempt)
      const same = byCost.get(cost)
      if (same === undefined) byCost.set(cost, [attempt])
      else same.push(attempt)
    }
    const costs = [...byCost.keys()].sort((a, b) => a - b)
    const pairs = costs.flatMap((a) => costs.filter((b) => b >= a).map((b) => [a, b] as const))
    for (const [a, b] of pairs.sort((x, y) => x[0] + x[1] - y[0] - y[1])) {
      for (const first of byCost.get(a) ?? []) {
        for (const second of byCost.get(b) ?? []) {
          if (a === b && first === second) continue
          yield* combine(first, second, a === b)
        }
      }
    }
  }

  return (changes: number): Iterable<Attempt> => {
    if (changes === 0) return [{ made: [], parts: received }]
    return changes === 1 ? one() : two()
  }
}

const firstOf = ({ made: [change] }: Attempt): Pick<Change, 'cost'> => change ?? { cost: 0 }

/** Two changes together. Those of the body are made one after the other, in both orders. */
function* combine(first: Attempt, second: Attempt, isOneOrder: boolean): Generator<Attempt> {
  const [a] = first.made
  const [b] = second.made
  if (a === undefined || b === undefined) return
  const made = [a, b]
  if (a.part === 'body' && b.part === 'body') {
    const parts = b.apply(first.parts)
    if (parts !== undefined) yield { made, parts }
    // With the same cost, the other order comes as a pair of its own.
    const reversed = isOneOrder ? undefined : a.apply(second.parts)
    if (reversed !== undefined) yield { made, parts: reversed }
  } else if (a.part !== b.part && !isOneOrder) yield { made, parts: b.apply(first.parts) ?? first.parts }
  else if (a.part < b.part) yield { made, parts: b.apply(first.parts) ?? first.parts }
}

/** Whether another change of the same part has led to the same value: the first one is the more specific one. */
function isSeen(seen: Set<string>, { part }: Change, parts: SignedParts): boolean {
  if (part !== 'body') return false
  const key = sha256(parts.body, 'hex')
  const isKnown = seen.has(key)
  seen.add(key)
  return isKnown
}
