import { arrow, box, picture, type Tone, text } from './svg.ts'

interface Question {
  readonly asks: readonly [string, string]
  readonly decision: string
  readonly response: string
  readonly tone: Tone
}

/** In the order of `decide()` in src/policy/idempotency.ts. */
const QUESTIONS: readonly Question[] = [
  {
    asks: ['Is the `requestId` known', 'with other content?'],
    decision: 'conflict',
    response: '`REPEAT_REQ_INCONSISTENT`',
    tone: 'bad',
  },
  {
    asks: ['Is the `requestId` known', 'with a stored response?'],
    decision: 'replay',
    response: 'the stored response, again',
    tone: 'good',
  },
  {
    asks: ['Was an event with the same', '`orderModifyTime` processed?'],
    decision: 'duplicate',
    response: '`SUCCESS`, the stored `orderId`',
    tone: 'good',
  },
  {
    asks: ['Was an event with a later', '`orderModifyTime` processed?'],
    decision: 'stale',
    response: '`SUCCESS`, the stored `orderId`',
    tone: 'good',
  },
  {
    asks: ['Is an event of the order', 'being processed now?'],
    decision: 'busy',
    response: 'waits up to `busyWaitMs`, asks again',
    tone: 'wait',
  },
]

const ROW = 76
const TOP = 72
const END = TOP + QUESTIONS.length * ROW

export const idempotencyDecision = picture({
  title: 'The decision on a delivery',
  description:
    'Questions to the store, in this order; the first yes decides. The requestId is known with other content: conflict. It has a stored response: replay. ' +
    'An event of the order with the same orderModifyTime was processed: duplicate. One with a later orderModifyTime: stale. ' +
    'An event of the order is being processed: busy. Otherwise: process, and onOrder runs.',
  height: END + 122,
  shapes: [
    box({ x: 40, y: 18, width: 270, height: 34 }, ['**a verified, valid delivery**']),
    ...QUESTIONS.flatMap(({ asks, decision, response, tone }, index) => {
      const y = TOP + index * ROW
      const middle = y + 26
      return [
        arrow([
          [175, index === 0 ? 52 : y - ROW + 52],
          [175, y - 2],
        ]),
        ...(index === 0 ? [] : [text(185, y - 8, 'no', { muted: true })]),
        box({ x: 40, y, width: 270, height: 52 }, asks),
        arrow([
          [310, middle],
          [378, middle],
        ]),
        text(340, middle - 7, 'yes', { anchor: 'middle', muted: true }),
        box({ x: 380, y, width: 310, height: 52 }, [`**${decision}**`, response], { tone }),
      ]
    }),
    arrow([
      [175, END - ROW + 52],
      [175, END - 2],
    ]),
    text(185, END - 8, 'no', { muted: true }),
    box({ x: 40, y: END, width: 270, height: 52 }, ['**process**: take the order,', 'with a lease and a token'], {
      tone: 'yours',
    }),
    arrow([
      [310, END + 26],
      [378, END + 26],
    ]),
    box({ x: 380, y: END, width: 310, height: 52 }, ['**onOrder** runs,', 'then its response is stored'], {
      tone: 'yours',
    }),
    text(40, END + 82, 'The store decides and takes the order in one atomic step: two copies cannot both run.', {
      muted: true,
    }),
    text(40, END + 102, 'After `busyWaitMs` (2 s), busy is `UNKNOWN_EXCEPTION`, and AlipayHK retries.', {
      muted: true,
    }),
  ],
})
