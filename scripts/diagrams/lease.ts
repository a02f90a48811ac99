import { arrow, box, line, type Point, picture, text } from './svg.ts'

/** Pixels of a moment, in seconds after the claim. */
const at = (seconds: number) => 112 + seconds * 14.4
const AXIS = 82
const A = 112
const B = 300

const lane = (y: number, name: string, detail: string) => [
  text(20, y + 22, `**${name}**`),
  text(20, y + 40, detail, { muted: true }),
]

const tick = (seconds: number) => [
  line([at(seconds), AXIS - 4], [at(seconds), AXIS + 4]),
  text(at(seconds), AXIS - 12, `${seconds} s`, { anchor: 'middle', muted: true }),
]

const event = (seconds: number, from: Point[1], to: Point[1]) =>
  line([at(seconds), from], [at(seconds), to], { dashed: true })

export const lease = picture({
  title: 'Timeout, lease and fencing token',
  description:
    'A time axis with the defaults. Process A claims the order at 0 s with token 7 and runs onOrder. At 10 s, timeoutMs, it responds UNKNOWN_EXCEPTION, and onOrder goes on. ' +
    'A retry at 16 s finds the order busy. At 30 s, leaseMs, the lease expires. A retry at 32 s goes to process B, which claims with token 8, runs onOrder, and stores the response at 36 s. ' +
    'Process A finishes at 38 s with token 7: the store rejects it, and a fenced event reports it.',
  height: 524,
  shapes: [
    text(20, 30, '**onOrder takes longer than the lease: the worst case, with the default times**'),
    arrow([
      [at(0) - 8, AXIS],
      [704, AXIS],
    ]),
    ...[0, 10, 20, 30, 40].flatMap(tick),
    ...lane(A, 'Process A', 'token 7'),
    box({ x: at(0), y: A, width: at(30) - at(0), height: 26 }, [], { tone: 'wait' }),
    text(at(20), A + 17.5, 'lease: the order belongs to A', { anchor: 'middle' }),
    box({ x: at(0), y: A + 34, width: at(38) - at(0), height: 30 }, ['`onOrder` of the first delivery'], {
      tone: 'yours',
    }),
    event(10, AXIS, A + 84),
    text(at(10), A + 100, '`timeoutMs`: response', { anchor: 'middle' }),
    text(at(10), A + 118, '`UNKNOWN_EXCEPTION`', { anchor: 'middle' }),
    text(at(10), A + 136, '`onOrder` goes on', { anchor: 'middle', muted: true }),
    event(30, AXIS, A + 84),
    text(at(30) - 4, A + 100, '`leaseMs`: others may', { anchor: 'end' }),
    text(at(30) - 4, A + 118, 'claim the order', { anchor: 'end' }),
    ...lane(B, 'Process B', 'token 8'),
    box({ x: at(14.5), y: B, width: at(20.5) - at(14.5), height: 50 }, ['**retry**', '`busy`'], { tone: 'wait' }),
    text(at(17.5), B + 70, '`UNKNOWN_EXCEPTION`', { anchor: 'middle' }),
    text(at(17.5), B + 88, 'after `busyWaitMs`', { anchor: 'middle', muted: true }),
    box({ x: at(31.5), y: B, width: at(37) - at(31.5), height: 50 }, ['**retry**', '`onOrder`'], { tone: 'good' }),
    text(at(34), B + 70, 'stored: `SUCCESS`', { anchor: 'middle' }),
    arrow([
      [at(38), A + 64],
      [at(38), A + 104],
    ]),
    box({ x: 566, y: A + 106, width: 134, height: 50 }, ['token 7 < 8', 'finish **rejected**'], { tone: 'bad' }),
    box(
      { x: 20, y: 414, width: 680, height: 94 },
      [
        'Without process B, the late completion of A **counts**: its effect is the only one.',
        'After the rejection, a `fenced` event reports it. A transactional store rolls the writes of A back.',
        'Without one, write `context.fencingToken` with your data, and reject a smaller token yourself.',
        'To avoid all this, keep `onOrder` short: put long work into a queue.',
      ],
      { tone: 'note', anchor: 'start' },
    ),
  ],
})
