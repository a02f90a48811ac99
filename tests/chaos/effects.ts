import type { ChaosGateway } from './gateway.ts'

/** One effect: the order, and the time of its event. In the order in which they happened. */
export type Effect = readonly [merchantBizNo: string, orderModifyTime: number]

/** No order is lost; in transactional mode, none is processed twice, nor an older event after a newer one. */
export function checkEffects(
  { events, pending }: Pick<ChaosGateway, 'events' | 'pending'>,
  effects: readonly Effect[],
  { isExactlyOnce }: { isExactlyOnce: boolean },
): string[] {
  const violations: string[] = []
  const timesByOrder = groupTimes(effects)
  for (const [merchantBizNo, latest] of latestEvents(events)) {
    const times = timesByOrder.get(merchantBizNo) ?? []
    const isPending = [...pending].some((event) => event.merchantBizNo === merchantBizNo)
    if (!isPending && !times.includes(latest))
      violations.push(`${merchantBizNo}: its last event was accepted without effect`)
    if (isExactlyOnce && times.some((time, at) => at > 0 && time <= (times[at - 1] ?? 0)))
      violations.push(`${merchantBizNo}: processed twice or out of order: ${times}`)
  }
  return violations
}

function groupTimes(effects: readonly Effect[]): Map<string, number[]> {
  const times = new Map<string, number[]>()
  for (const [order, time] of effects) times.set(order, [...(times.get(order) ?? []), time])
  return times
}

function latestEvents(events: ChaosGateway['events']): Map<string, number> {
  const latest = new Map<string, number>()
  for (const { merchantBizNo, orderModifyTime } of events)
    latest.set(merchantBizNo, Math.max(orderModifyTime, latest.get(merchantBizNo) ?? 0))
  return latest
}
