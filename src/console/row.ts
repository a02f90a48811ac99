import { sha256 } from '../crypto/node.ts'
import type { Entry } from './entry.ts'
import { maskId } from './mask.ts'
import type { Row } from './wire.ts'

/** The line of an entry. `salt` makes the groups of two consoles different, and a guess at an order number useless. */
export function toRow(entry: Entry, { show, salt }: { readonly show: boolean; readonly salt: string }): Row {
  const { id, version, direction, at, durationMs, events, response } = entry
  const claims = entry.claims()
  const logged = events.at(-1)?.logged ?? {}
  const verified = events.findLast(({ merchantBizNo }) => merchantBizNo !== undefined)?.merchantBizNo
  const number = verified ?? claims.merchantBizNo
  return {
    // Not a spread: V8 makes a dictionary of the object then, which takes ten times as long.
    id,
    version,
    direction,
    at,
    durationMs,
    kind: textOf(logged['kind']) ?? 'unknown',
    code: textOf(logged['code']) ?? '',
    message: textOf(logged['message']),
    status: response?.status ?? numberOf(logged['status']),
    resultCode: textOf(logged['resultCode']),
    order: number === undefined || show ? number : maskId(number),
    group: number === undefined ? undefined : sha256(salt + number, 'base64url').slice(0, 8),
    isClaimed: number !== undefined && verified === undefined ? true : undefined,
    orderStatus: show ? claims.orderStatus : undefined,
    requestId: textOf(logged['requestId']) ?? claims.requestId,
    tracerId: textOf(logged['tracerId']),
    clientId: textOf(logged['clientId']) ?? textOf(logged['unknownClientId']),
    encrypted: logged['encrypted'] === true ? true : undefined,
    eventTime: claims.orderModifyTime,
    lastEventTime: numberOf(logged['lastOrderModifyTime']),
    contentDiffers: logged['contentDiffers'] === true ? true : undefined,
    clockSkewMs: numberOf(logged['clockSkewMs']),
    attempts: direction === 'out' ? entry.attempts.length : undefined,
  }
}

/** A page gets hundreds of rows in one message. */
const MAX_TEXT = 1_000
const textOf = (value: unknown) => (typeof value === 'string' ? value.slice(0, MAX_TEXT) : undefined)
const numberOf = (value: unknown) => (typeof value === 'number' ? value : undefined)
