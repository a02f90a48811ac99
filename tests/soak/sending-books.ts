import type { FaultSpan } from './picture.ts'

/** Seconds on the clock that all processes of the machine share. */
export const monotonicSeconds = (): number => Number(process.hrtime.bigint()) / 1e9

/** One version of an order whose transaction was committed. */
export interface CommittedVersion {
  readonly requestId: string
  readonly orderNo: string
  readonly modifyTime: number
}

/** A request that the gateway process received. */
export interface Arrival {
  readonly kind: 'arrival'
  readonly id: number
  readonly at: number
  readonly requestId: string
  readonly orderNo: string
  readonly modifyTime: number
}

/** The end of a request: `S` only if the response was written to the end. */
export interface ArrivalEnd {
  readonly kind: 'end'
  readonly id: number
  readonly at: number
  readonly outcome: 'S' | 'other'
}

/** What a gateway must never receive, such as a signature that does not verify. */
export interface ForeignRequest {
  readonly kind: 'foreign'
  readonly at: number
  readonly reason: string
}

export type GatewayEntry = Arrival | ArrivalEnd | ForeignRequest

/** What a worker reported about one event. */
export interface WorkerEntry {
  readonly at: number
  readonly requestId: string
  /** `noted`: the store has recorded that the event was sent. `sent`, without it: the peer has accepted the event, and the store failed. */
  readonly kind: 'noted' | 'sent' | 'retry' | 'failed' | 'skipped' | 'stale' | 'fenced'
  readonly code?: string
}

/** Everything that is known about the sending side after a run. */
export interface SendingBooks {
  readonly committed: readonly CommittedVersion[]
  readonly gateway: readonly GatewayEntry[]
  readonly workers: readonly WorkerEntry[]
  /** On the clock of {@link monotonicSeconds}. */
  readonly faults: readonly FaultSpan[]
}

/** What the books show. */
export interface SendingResult {
  readonly arrivals: number
  /** Events that arrived again after `S`, because a fault fell between the response and its note. */
  readonly repeats: number
  readonly violations: readonly string[]
}

/** Faults after which the outcome of a send may be unknown to the outbox: its worker or its database was gone. */
const LOSES_A_NOTE = new Set([
  'worker SIGKILL',
  'worker SIGSTOP',
  'database restart',
  'database crash',
  'dark network',
  'slow disk',
])
/** The errors of a client that has seen no response: to the gateway, it was written to the end. */
const LOSES_A_RESPONSE = new Set(['ERR_TIMEOUT', 'ERR_NETWORK', 'TimeoutError'])
/** How long a worker tries to note an outcome: until its lease ends, or five calls of the store. */
const NOTE_SECONDS = 10
/** The gateway may see a new connection before the end of an old one that was closed earlier. */
const CLOSE_SECONDS = 1

/**
 * Compares what was committed with what arrived: no event is lost or invented, the newest version of each order arrives last, an event does
 * not arrive again after `S` unless the note was lost, and two sends of one order do not overlap.
 */
export function checkSending({ committed, gateway, workers, faults }: SendingBooks): SendingResult {
  const violations: string[] = []
  const arrivals = gateway.filter((entry) => entry.kind === 'arrival')
  const ends = new Map(gateway.filter((entry) => entry.kind === 'end').map((entry) => [entry.id, entry]))
  const known = new Map(committed.map((version) => [version.requestId, version]))
  for (const entry of gateway)
    if (entry.kind === 'foreign') violations.push(`The gateway got a request that ${entry.reason}`)
  for (const { requestId, modifyTime } of arrivals) {
    if (known.get(requestId)?.modifyTime !== modifyTime) violations.push(`${requestId}: arrived, but was not committed`)
  }
  for (const { requestId, kind, code } of workers) {
    if (kind === 'failed') violations.push(`${requestId}: failed with ${code}, although the gateway refuses nothing`)
  }
  const ofOrder = groupBy(arrivals, ({ orderNo }) => orderNo)
  const notedAt = groupBy(
    workers.filter(({ kind }) => kind === 'noted'),
    ({ requestId }) => requestId,
  )
  for (const [orderNo, versions] of groupBy(committed, ({ orderNo }) => orderNo)) {
    const newest = versions.reduce((one, other) => (other.modifyTime > one.modifyTime ? other : one))
    const came = ofOrder.get(orderNo) ?? []
    if (came.at(-1)?.requestId !== newest.requestId)
      violations.push(`${newest.requestId}: the newest version did not arrive last`)
    else if (!came.some(({ id, requestId }) => requestId === newest.requestId && ends.get(id)?.outcome === 'S'))
      violations.push(`${newest.requestId}: the newest version was never accepted`)
    for (const { requestId, modifyTime, at } of came) {
      // The sent versions that were noted before this request arrived.
      const noted = versions.filter((version) => (notedAt.get(version.requestId) ?? []).some((note) => note.at < at))
      if (noted.some((version) => version.requestId === requestId || version.modifyTime > modifyTime))
        violations.push(`${requestId}: arrived again, or after a newer version, although that was noted as sent`)
    }
  }
  const during = (names: ReadonlySet<string>, from: number, to: number) =>
    faults.some((fault) => names.has(fault.name) && fault.from < to && fault.to > from)

  let repeats = 0
  for (const [requestId, came] of groupBy(arrivals, ({ requestId }) => requestId)) {
    for (const [index, again] of came.entries()) {
      const accepted = came
        .slice(0, index)
        .map(({ id }) => ends.get(id))
        .findLast((end) => end?.outcome === 'S')
      if (accepted === undefined) continue
      const lostResponse = workers.some(
        (entry) =>
          entry.requestId === requestId &&
          entry.kind === 'retry' &&
          LOSES_A_RESPONSE.has(entry.code ?? '') &&
          entry.at > accepted.at - CLOSE_SECONDS &&
          entry.at < again.at,
      )
      if (lostResponse) continue
      repeats++
      const couldNotNote = workers.some(
        (entry) =>
          entry.requestId === requestId &&
          entry.kind === 'sent' &&
          entry.at > accepted.at &&
          entry.at < again.at &&
          !workers.some((note) => note.requestId === requestId && note.kind === 'noted' && note.at <= entry.at),
      )
      if (
        !couldNotNote &&
        !during(LOSES_A_NOTE, accepted.at - CLOSE_SECONDS, Math.min(again.at, accepted.at + NOTE_SECONDS))
      )
        violations.push(`${requestId}: arrived again after S, and nothing had failed`)
    }
  }
  for (const [orderNo, came] of ofOrder) {
    for (const [index, later] of came.entries()) {
      const open = came
        .slice(0, index)
        .find(({ id }) => (ends.get(id)?.at ?? Number.POSITIVE_INFINITY) > later.at + CLOSE_SECONDS)
      // The connection of a frozen worker stays open while another worker continues.
      if (open !== undefined && !during(new Set(['worker SIGSTOP']), open.at, later.at + CLOSE_SECONDS))
        violations.push(`${orderNo}: two sends at the same time`)
    }
  }
  return { arrivals: arrivals.length, repeats, violations }
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
