import { sha256 } from '../crypto/node.ts'
import type { Entry } from './entry.ts'
import { maskId } from './mask.ts'
import type { Row } from './wire.ts'

/** The line of an entry. `salt` makes the groups of two consoles different, and a guess at an order number useless. */
export function toRow(entry: Entry, { show, salt }: { readonly show: boolean; readonly salt: string }): Row {
  const { id, version, direction, at, durationMs, claims } = entry
  const logged = entry.events.at(-1)?.logged ?? {}
  const verified = entry.events.findLast(({ merchantBizNo }) => merchantBizNo !== undefined)?.merchantBizNo
  const number = verified ?? claims.merchantBizNo
  const status = entry.response?.status ?? numberOf(logged['status'])
  return {
    ...{ id, version, direction, at, durationMs },
    kind: textOf(logged['kind']) ?? 'unknown',
    code: textOf(logged['code']) ?? '',
    ...(number !== undefined && {
      order: show ? number : maskId(number),
      group: sha256(salt + number, 'base64url').slice(0, 8),
    }),
    ...(number !== undefined && verified === undefined && { isClaimed: true as const }),
    ...defined({
      status,
      message: textOf(logged['message']),
      resultCode: textOf(logged['resultCode']),
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
    }),
  }
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined)
const numberOf = (value: unknown) => (typeof value === 'number' ? value : undefined)

function defined<Members extends object>(members: Members): { [Name in keyof Members]?: NonNullable<Members[Name]> } {
  const entries = Object.entries(members).filter(([, member]) => member !== undefined)
  return Object.fromEntries(entries) as { [Name in keyof Members]?: NonNullable<Members[Name]> }
}
