import type { Row } from '../wire.ts'
import { dateOf, durationOf, timeOf, toneOf } from './format.ts'
import { openDelivery } from './use-route.ts'

const WIDTH = 900
const [TOP, BOTTOM] = [40, 150]
/** Room for the labels at both ends. */
const MARGIN = 70

/** One order: when its events happened and when they were received, on one scale. */
export function OrderView({ rows }: { readonly rows: readonly Row[] }) {
  const events = [...rows].sort((a, b) => a.at - b.at)
  const timed = events.filter((row): row is Row & { eventTime: number } => row.eventTime !== undefined)
  const warnings = [...new Set(timed.flatMap((row) => warningsOf(row)))]
  return (
    <section class="detail" aria-label="Order">
      <div class="title">
        <a href="#inbox" class="back">
          ← Inbox
        </a>
        <h2>{events.at(-1)?.order ?? 'The console no longer has a delivery of this order'}</h2>
        <p class="quiet">{events.length === 1 ? '1 delivery' : `${events.length} deliveries`}, oldest first</p>
      </div>
      {warnings.map((warning) => (
        <div class="fix" role="note" key={warning}>
          <p>{warning}</p>
        </div>
      ))}
      {timed.length > 0 && <Axis events={timed} />}
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Arrived</th>
              <th scope="col">Event time</th>
              <th scope="col">Delay</th>
              <th scope="col">Kind</th>
              <th scope="col">Code</th>
            </tr>
          </thead>
          <tbody>
            {events.map((row) => (
              <tr key={row.id} onClick={() => openDelivery(row.id)}>
                <td class="mono">
                  <a href={`#delivery/${row.id}`}>{timeOf(row.at)}</a>
                </td>
                <td class="mono">{row.eventTime === undefined ? '–' : dateOf(row.eventTime)}</td>
                <td class="mono">{row.eventTime === undefined ? '–' : durationOf(row.at - row.eventTime)}</td>
                <td>
                  <span class={`badge ${toneOf(row.kind)}`}>{row.kind}</span>
                </td>
                <td class="code">{row.code}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

/** Two time axes with the same scale. A slanted line between them is a delay, a wrong clock or a wrong unit. */
function Axis({ events }: { readonly events: readonly (Row & { eventTime: number })[] }) {
  const times = events.flatMap(({ at, eventTime }) => [at, eventTime])
  const [from, to] = [Math.min(...times), Math.max(...times)]
  const x = (time: number) => MARGIN + ((time - from) / Math.max(1, to - from)) * (WIDTH - 2 * MARGIN)
  const label = `Event times and receive times of ${events.length} deliveries, between ${dateOf(from)} and ${dateOf(to)}`
  return (
    <svg class="axis" viewBox={`0 0 ${WIDTH} 190`} role="img" aria-label={label}>
      <text x="0" y={TOP - 22}>
        event time
      </text>
      <text x="0" y={BOTTOM + 34}>
        arrival
      </text>
      <line x1={MARGIN} x2={WIDTH - MARGIN} y1={TOP} y2={TOP} />
      <line x1={MARGIN} x2={WIDTH - MARGIN} y1={BOTTOM} y2={BOTTOM} />
      {[...events].sort(processedLast).map((row) => (
        <g key={row.id} class={toneOf(row.kind)}>
          <line class="link" x1={x(row.eventTime)} x2={x(row.at)} y1={TOP} y2={BOTTOM} />
          <circle cx={x(row.eventTime)} cy={TOP} r="6" />
          <circle cx={x(row.at)} cy={BOTTOM} r="6" />
          <title>
            {row.kind}: {dateOf(row.eventTime)}, arrived {dateOf(row.at)}
          </title>
        </g>
      ))}
      <text x={MARGIN} y={BOTTOM + 34} text-anchor="start">
        {dateOf(from)}
      </text>
      <text x={WIDTH} y={BOTTOM + 34} text-anchor="end">
        {dateOf(to)}
      </text>
    </svg>
  )
}

/** SVG draws the last element on top. */
const processedLast = (a: Row, b: Row) => Number(a.kind === 'processed') - Number(b.kind === 'processed')

const DAY = 86_400_000

function warningsOf({ at, eventTime }: Row & { eventTime: number }): string[] {
  if (eventTime > 946_684_800 && eventTime < 4_102_444_800) {
    return ['An orderModifyTime is in seconds. It must be in milliseconds: multiply it by 1,000.']
  }
  if (eventTime > at + 60_000) {
    return [`An event is dated ${durationOf(eventTime - at)} after it was received: a clock or a time zone is wrong.`]
  }
  const hours = Math.round((at - eventTime) / 3_600_000)
  if (hours >= 1 && hours <= 14 && Math.abs(at - eventTime - hours * 3_600_000) < 120_000) {
    return [`An event was received almost exactly ${hours} h after its time. Check the time zone of the sender.`]
  }
  return at - eventTime > 365 * DAY ? ['An event was received more than a year after its time.'] : []
}
