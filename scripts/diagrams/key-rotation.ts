import { box, line, picture, type Tone, text } from './svg.ts'

/** Where a step begins, from 0 (before the rotation) to 6 (after the last step). */
const at = (step: number) => 176 + step * 87
const ROW = 44
const TOP = 126

const STEPS = [
  ['**1** add', 'version 2'],
  ['**2** AlipayHK', 'adds it'],
  ['**3** sign', 'with 2'],
  ['**4** remove 1,', 'a day later'],
  ['**5** AlipayHK', 'removes 1'],
] as const

interface Bar {
  readonly from: number
  readonly to: number
  readonly label: string
  readonly tone: Tone
}

const OLD = 'plain'
const NEW = 'good'

const ROWS: readonly { readonly name: string; readonly detail: string; readonly bars: readonly Bar[] }[] = [
  {
    name: '**You** have',
    detail: '`privateKeys`',
    bars: [
      { from: 0, to: 4, label: 'version 1', tone: OLD },
      { from: 1, to: 6, label: 'version 2', tone: NEW },
    ],
  },
  {
    name: '**You** sign with',
    detail: '`signingKeyVersion`',
    bars: [
      { from: 0, to: 3, label: 'version 1', tone: OLD },
      { from: 3, to: 6, label: 'version 2', tone: NEW },
    ],
  },
  {
    name: '**AlipayHK** has',
    detail: 'your public keys',
    bars: [
      { from: 0, to: 5, label: 'version 1', tone: OLD },
      { from: 2, to: 6, label: 'version 2', tone: NEW },
    ],
  },
]

/** Two bars that overlap in time are in two lines. */
const lines = ROWS.flatMap((row) => (row.name.includes('sign with') ? [[...row.bars]] : row.bars.map((bar) => [bar])))
const starts = [0, 2, 3]
const BOTTOM = TOP + lines.length * ROW + 2 * 16

const yOf = (index: number) => TOP + index * ROW + (index >= 3 ? 32 : index >= 2 ? 16 : 0)

export const keyRotation = picture({
  title: 'Rotate your key',
  description:
    'Five steps. 1: you add version 2 and keep signing with version 1. 2: AlipayHK adds the public key of version 2. 3: you sign with version 2. ' +
    '4: a day later you remove version 1. 5: AlipayHK removes version 1. At each moment, AlipayHK has the public key of the version that you sign with, ' +
    'and you have the private key of each version that AlipayHK may encrypt to.',
  height: BOTTOM + 92,
  shapes: [
    text(20, 30, '**Rotate your key: both sides have both versions for a while**'),
    ...STEPS.flatMap((step, index) => [
      ...step.map((part, row) => text(at(index + 1), 66 + row * 18, part, { anchor: 'middle' })),
      line([at(index + 1), 94], [at(index + 1), BOTTOM - 6], { dashed: true }),
    ]),
    ...ROWS.flatMap(({ name, detail }, index) => {
      const y = yOf(starts[index] ?? 0)
      return [text(20, y + 14, name), text(20, y + 32, detail, { muted: true })]
    }),
    ...lines.flatMap((bars, index) =>
      bars.map(({ from, to, label, tone }) =>
        box({ x: at(from), y: yOf(index), width: at(to) - at(from), height: 34 }, [label], { tone }),
      ),
    ),
    text(20, BOTTOM + 20, 'Deploy each step to all processes before the next one.'),
    text(
      20,
      BOTTOM + 42,
      'From step 2 on, AlipayHK may encrypt to version 2: `decryptionKeyVersion` of an event shows it.',
      {
        muted: true,
      },
    ),
    text(20, BOTTOM + 64, 'If step 3 goes wrong, set `signingKeyVersion` to `1` again.', { muted: true }),
  ],
})
