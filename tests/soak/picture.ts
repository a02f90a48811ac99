import { line, paragraph, picture, type Tone, text, WIDTH } from '../../scripts/diagrams/svg.ts'
import type { Sample } from './flatness.ts'

/** One occurrence of a fault, in seconds since the start. */
export interface FaultSpan {
  readonly name: string
  readonly from: number
  readonly to: number
}

/** What the picture shows. */
export interface SoakRun {
  readonly seconds: number
  readonly samples: readonly Sample[]
  readonly faults: readonly FaultSpan[]
  /** One line, such as the date, the length and the number of orders. */
  readonly subtitle: string
  readonly verdict: string
}

const LEFT = 160
const RIGHT = WIDTH - 24
const LANE_HEIGHT = 22
const CHART_HEIGHT = 78
const TOP = 76

/** Draws a run: when each fault was on, and the figures that must come back to where they were. */
export function soakPicture({ seconds, samples, faults, subtitle, verdict }: SoakRun): string {
  const x = (at: number) => round(LEFT + (at / seconds) * (RIGHT - LEFT))
  const names = [...new Set(faults.map(({ name }) => name))].sort()
  const chartsAt = TOP + names.length * LANE_HEIGHT + 34
  const charts = [
    { name: 'accepted', unit: 'per second', tone: 'good', of: (sample: Sample) => sample.acceptedPerSecond },
    { name: 'waiting', unit: 'events', tone: 'bad', of: (sample: Sample) => sample.pending },
    { name: 'heap', unit: 'MB, one replica', tone: 'yours', of: (sample: Sample) => sample.heapMb },
    { name: 'file descriptors', unit: 'one replica', tone: 'yours', of: (sample: Sample) => sample.fileDescriptors },
    { name: 'connections', unit: 'to the database', tone: 'wait', of: (sample: Sample) => sample.connections },
    { name: 'rows', unit: 'of requests', tone: 'wait', of: (sample: Sample) => sample.requestRows },
    { name: 'outbox', unit: 'events to send', tone: 'bad', of: (sample: Sample) => sample.outboxWaiting },
    { name: 'outbox rows', unit: 'sent or waiting', tone: 'wait', of: (sample: Sample) => sample.outboxRows },
    { name: 'worker heap', unit: 'MB, one worker', tone: 'yours', of: (sample: Sample) => sample.workerHeapMb },
  ] as const
  const bottom = chartsAt + charts.length * CHART_HEIGHT
  return picture({
    title: 'Soak test',
    description: `${subtitle}, ${verdict}. Above, when each fault was on: ${names.join(', ')}. Below, over the same time: ${charts
      .map(({ name, unit }) => `${name} (${unit})`)
      .join(', ')}. The numbers are in docs/assurance.md.`,
    height: bottom + 40,
    shapes: [
      text(20, 32, `**Soak test:** ${subtitle}`),
      text(20, 54, `Result: ${verdict}. Each bar is one fault.`, { muted: true }),
      ...names.flatMap((name, lane) => {
        const y = TOP + lane * LANE_HEIGHT
        const bars = faults
          .filter((fault) => fault.name === name)
          .map(
            ({ from, to }) =>
              `<rect class="bad" x="${x(from)}" y="${y}" width="${round(Math.max(1.5, x(to) - x(from)))}" height="14"/>`,
          )
        return [text(20, y + 12, name), ...bars]
      }),
      ...charts.flatMap(({ name, unit, tone, of }, chart) => {
        const base = chartsAt + chart * CHART_HEIGHT + CHART_HEIGHT - 24
        const most = Math.max(1, ...samples.map((sample) => of(sample) ?? 0))
        const y = (value: number) => round(base - (value / most) * (CHART_HEIGHT - 30))
        return [
          paragraph(20, base - 30, [`**${name}**`]),
          text(20, base - 12, unit, { muted: true }),
          text(LEFT - 8, y(most) + 10, format(most), { anchor: 'end', muted: true }),
          line([LEFT, base], [RIGHT, base]),
          ...curve(
            samples.map((sample): [number, number] | undefined => {
              const value = of(sample)
              return value === undefined ? undefined : [x(sample.at), y(value)]
            }),
            tone,
          ),
        ]
      }),
      ...[0, 0.25, 0.5, 0.75, 1].map((part) =>
        text(x(seconds * part), bottom + 6, `${format((seconds * part) / 60)} min`, {
          anchor: part === 0 ? 'start' : part === 1 ? 'end' : 'middle',
          muted: true,
        }),
      ),
    ],
  })
}

/** A line through points, with a gap where there is none. */
function curve(points: readonly ([number, number] | undefined)[], tone: Tone): string[] {
  const parts: string[] = []
  let isDrawing = false
  for (const point of points) {
    if (point !== undefined) parts.push(`${isDrawing ? 'L' : 'M'}${point[0]} ${point[1]}`)
    isDrawing = point !== undefined
  }
  return parts.length === 0 ? [] : [`<path class="${tone}" style="fill:none;stroke-width:1.5" d="${parts.join(' ')}"/>`]
}

const round = (value: number) => Math.round(value * 10) / 10
const format = (value: number) => String(value >= 10 ? Math.round(value) : round(value))
