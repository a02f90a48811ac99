import { useEffect, useState } from 'preact/hooks'
import type { Minute } from '../wire.ts'
import { readCharts } from './api.ts'
import { durationOf, toneOf } from './format.ts'

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [900, 200, 60, 24]
const MINUTE = 60_000
const SHOWN = 30
const REFRESH_MS = 2_000

export function ChartsView() {
  const [minutes, setMinutes] = useState<readonly Minute[]>([])
  useEffect(() => {
    const read = () =>
      void readCharts().then(
        (charts) => setMinutes(charts.minutes),
        () => {},
      )
    read()
    const timer = setInterval(read, REFRESH_MS)
    return () => clearInterval(timer)
  }, [])
  const last = minutes.at(-1)?.at ?? 0
  const recent = minutes.filter(({ at }) => at > last - SHOWN * MINUTE)
  const total = ({ kinds }: Minute) => Object.values(kinds).reduce((sum, count) => sum + count, 0)
  if (recent.length === 0) {
    return (
      <section class="detail" aria-label="Charts">
        <h2>Charts</h2>
        <p class="empty">No deliveries yet.</p>
      </section>
    )
  }
  const skews = recent.flatMap(({ skew }) => (skew ? [skew.min, skew.max] : [0]))
  return (
    <section class="detail" aria-label="Charts">
      <h2>The last {SHOWN} minutes</h2>
      <Chart title="Deliveries a minute, by kind" max={Math.max(1, ...recent.map(total))} last={last} format={String}>
        {(x, y, width) =>
          recent.map((minute) => <Stack key={minute.at} minute={minute} x={x(minute.at)} y={y} width={width} />)
        }
      </Chart>
      <Legend minutes={recent} />
      <Chart
        title="Duration: median (p50) and p99"
        max={Math.max(1, ...recent.map(({ p99 }) => p99 ?? 0))}
        last={last}
        format={durationOf}
      >
        {(x, y, width) => (
          <>
            <Line points={recent.map(({ at, p50 }) => [x(at) + width / 2, y(p50 ?? 0)])} name="p50" />
            <Line points={recent.map(({ at, p99 }) => [x(at) + width / 2, y(p99 ?? 0)])} name="p99" />
          </>
        )}
      </Chart>
      <Chart
        title="Clock of the sender: positive values are ahead of your clock"
        min={Math.min(0, ...skews)}
        max={Math.max(1, ...skews)}
        last={last}
        format={durationOf}
      >
        {(x, y, width) =>
          recent.flatMap(({ at, skew }) =>
            skew === undefined
              ? []
              : [
                  <rect
                    key={at}
                    class="skew"
                    x={x(at) + width * 0.3}
                    width={width * 0.4}
                    y={y(skew.max) - 1}
                    height={Math.max(2, y(skew.min) - y(skew.max))}
                  />,
                ],
          )
        }
      </Chart>
    </section>
  )
}

interface ChartProps {
  readonly title: string
  readonly min?: number
  readonly max: number
  readonly last: number
  readonly format: (value: number) => string
  readonly children: (
    x: (at: number) => number,
    y: (value: number) => number,
    width: number,
  ) => preact.ComponentChildren
}

function Chart({ title, min = 0, max, last, format, children }: ChartProps) {
  const width = (WIDTH - LEFT) / SHOWN
  const x = (at: number) => WIDTH - width - ((last - at) / MINUTE) * width
  const y = (value: number) => HEIGHT - BOTTOM - ((value - min) / (max - min)) * (HEIGHT - BOTTOM - 12)
  const clock = (at: number) => new Date(at).toTimeString().slice(0, 5)
  return (
    <figure>
      <figcaption>{title}</figcaption>
      <svg
        class="chart"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${title}. Between ${format(min)} and ${format(max)}.`}
      >
        <line x1={LEFT} x2={WIDTH} y1={y(Math.max(0, min))} y2={y(Math.max(0, min))} />
        <text x="0" y="18">
          {format(max)}
        </text>
        <text x="0" y={y(min)}>
          {format(min)}
        </text>
        <text x={LEFT} y={HEIGHT - 4}>
          {clock(last - (SHOWN - 1) * MINUTE)}
        </text>
        <text x={WIDTH} y={HEIGHT - 4} text-anchor="end">
          {clock(last)}
        </text>
        {children(x, y, width)}
      </svg>
    </figure>
  )
}

interface StackProps {
  readonly minute: Minute
  readonly x: number
  readonly y: (value: number) => number
  readonly width: number
}

function Stack({ minute: { kinds }, x, y, width }: StackProps) {
  let below = 0
  return (
    <g>
      {Object.entries(kinds)
        .sort(byTone)
        .map(([kind, count]) => {
          const [bottom, top] = [y(below), y(below + count)]
          below += count
          return (
            <rect
              key={kind}
              class={toneOf(kind)}
              x={x + 2}
              width={width - 4}
              y={top}
              height={Math.max(1, bottom - top)}
            >
              <title>{`${kind}: ${count}`}</title>
            </rect>
          )
        })}
    </g>
  )
}

const TONES = ['good', 'quiet', 'warn', 'bad']
const byTone = ([a]: [string, number], [b]: [string, number]) =>
  TONES.indexOf(toneOf(a)) - TONES.indexOf(toneOf(b)) || (a < b ? -1 : 1)

function Line({ points, name }: { readonly points: readonly (readonly [number, number])[]; readonly name: string }) {
  const [x, y] = points.at(-1) ?? [0, 0]
  return (
    <g class={name}>
      <polyline points={points.map((point) => point.join()).join(' ')} />
      {points.map(([cx, cy]) => (
        <circle key={cx} cx={cx} cy={cy} r="3" />
      ))}
      <text x={Math.min(x, WIDTH - 30)} y={Math.max(14, y - 6)} text-anchor="end">
        {name}
      </text>
    </g>
  )
}

function Legend({ minutes }: { readonly minutes: readonly Minute[] }) {
  const counts = new Map<string, number>()
  for (const { kinds } of minutes) {
    for (const [kind, count] of Object.entries(kinds)) counts.set(kind, (counts.get(kind) ?? 0) + count)
  }
  return (
    <p class="legend">
      {[...counts].sort(byTone).map(([kind, count]) => (
        <span key={kind} class={`badge ${toneOf(kind)}`}>
          {kind} {count.toLocaleString('en')}
        </span>
      ))}
    </p>
  )
}
