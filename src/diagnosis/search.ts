import { sha256 } from '../crypto/node.ts'
import type { ParsedCredentials } from '../secure-message/credentials.ts'
import { type Change, contentOf, noDigest, type SignedParts, standardLayout } from './change.ts'
import { bodyChanges } from './changes/body.ts'
import { digestChanges } from './changes/digest.ts'
import { clientIdChanges, layoutChanges, methodChanges } from './changes/head.ts'
import { pathChanges } from './changes/path.ts'
import { timeChanges } from './changes/time.ts'
import { type ExplainedCause, findOpenings, type Opening } from './opening.ts'
import { readSignature } from './signature-texts.ts'

/** A message whose signature does not verify. */
export interface Evidence {
  readonly method: string
  /** The path for which it was verified. */
  readonly path: string
  /** Other known paths of the message. */
  readonly otherPaths?: readonly string[]
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly timeHeader: 'Request-Time' | 'Response-Time'
  readonly body: Uint8Array
  /** The body after decryption. Only for a message that a person examines: see docs/protocol.md section 4.2. */
  readonly plaintext?: Uint8Array | undefined
}

/** The limits of a search. */
export interface SearchLimits {
  /** Upper bound of texts that are compared with the signature. */
  readonly maxTrials: number
  readonly maxMs: number
  /** How many changes of the content are combined. */
  readonly maxChanges: 1 | 2
  /** The maximum size of a decompressed body, in bytes. */
  readonly maxBodyBytes: number
  /** Changes of the JSON format are not tested on a larger body: at 256 KiB, each takes up to a tenth of a second. */
  readonly maxRewrittenBytes: number
  /** A clock in milliseconds, from any origin. */
  readonly clock: () => number
}

/** What a search has found. */
export interface Found {
  /** The changes that are needed together so that the signature verifies. Undefined if none were found. */
  readonly causes: readonly ExplainedCause[] | undefined
  /** What was signed. */
  readonly parts?: SignedParts
  /** How many texts were compared with the signature. */
  readonly trials: number
  /** Whether the limits ended the search before every change was tested. */
  readonly isCut: boolean
  /** Whether it is certain that no configured key made the signature. */
  readonly isByNoKey: boolean
}

/**
 * Finds the change with which the signature of a message verifies: first single changes, then pairs, the likely ones first.
 * The result never makes a message trusted.
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
  const ended = (causes: readonly ExplainedCause[] | undefined, parts?: SignedParts): Found => ({
    causes,
    ...(parts && { parts }),
    trials,
    isCut: causes === undefined && openings.length > 0 && isOver(),
    isByNoKey,
  })

  // Each step makes one more change, of the content or, where the signature does not show it, of the way of signing.
  const attempts = createAttempts(received, () => changesOf(evidence, received, limits))
  for (let changes = 0; changes <= limits.maxChanges; changes++) {
    // Fewer remaining changes of the content mean fewer attempts: those come first.
    for (let left = 0; left <= changes; left++) {
      for (const opening of openings) {
        if (left !== (opening.isCertain ? changes : changes - opening.cost)) continue
        for (const { made, parts } of attempts(left)) {
          if (isOver()) return ended(undefined)
          trials++
          if (await matches(opening, parts)) return ended(toCauses([...opening.causes, ...made]), parts)
        }
      }
    }
  }
  return ended(undefined)
}

/** Not always awaited: most openings compare digests, and 20,000 promises take longer than that. */
function matches({ matches }: Opening, parts: SignedParts): boolean | Promise<boolean> {
  return matches(contentOf(parts))
}

/** One cause for each code, without the functions of a change. */
function toCauses(found: readonly ExplainedCause[]): ExplainedCause[] {
  const byCode = new Map<string, ExplainedCause>()
  for (const { code, fix } of found) if (!byCode.has(code)) byCode.set(code, { code, fix })
  return [...byCode.values()]
}

function changesOf(evidence: Evidence, received: SignedParts, limits: SearchLimits): Change[] {
  const { headers, timeHeader, path, otherPaths = [], method, plaintext } = evidence
  return [
    ...pathChanges(path, headers, otherPaths),
    ...bodyChanges(received.body, { ...limits, plaintext }),
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

/** Two changes that are both unlikely are not tried together. */
const MAX_COST = 6

/** Returns a function that makes all attempts with a number of changes: no change, one, or two. */
function createAttempts(received: SignedParts, list: () => readonly Change[]) {
  /** The changes that make a difference, once they were tried alone. */
  const singles: { readonly change: Change; readonly parts: SignedParts }[] = []
  let changes: readonly Change[] | undefined

  function* one(): Generator<Attempt> {
    if (changes !== undefined) {
      for (const { change, parts } of singles) yield { made: [change], parts }
      return
    }
    changes = list().toSorted((a, b) => a.cost - b.cost)
    const seen = new Set<string>()
    for (const change of changes) {
      const parts = change.apply(received)
      if (parts === undefined || isSeen(seen, change, parts)) continue
      singles.push({ change, parts })
      yield { made: [change], parts }
    }
  }

  function* two(): Generator<Attempt> {
    // A change of the body may make a difference only after another one: what is inside a string can be reformatted.
    const ofBody = (changes ?? []).filter(({ part }) => part === 'body')
    for (let cost = 2; cost <= MAX_COST; cost++) {
      for (const first of singles) {
        const rest = cost - first.change.cost
        for (const second of singles) {
          // The two lists are in the order of their costs.
          if (second.change.cost > rest) break
          if (second.change.cost < rest || first.change.part >= second.change.part) continue
          const parts = second.change.apply(first.parts)
          if (parts !== undefined) yield { made: [first.change, second.change], parts }
        }
        if (first.change.part !== 'body') continue
        for (const change of ofBody) {
          if (change.cost > rest) break
          const parts = change.cost < rest || change === first.change ? undefined : change.apply(first.parts)
          if (parts !== undefined) yield { made: [first.change, change], parts }
        }
      }
    }
  }

  return (count: number): Iterable<Attempt> => {
    if (count === 0) return [{ made: [], parts: received }]
    return count === 1 ? one() : two()
  }
}

/** Whether another change of the same part has led to the same value. The first one is more specific. */
function isSeen(seen: Set<string>, { part }: Change, parts: SignedParts): boolean {
  if (part !== 'body') return false
  const key = sha256(parts.body, 'hex')
  const isKnown = seen.has(key)
  seen.add(key)
  return isKnown
}
