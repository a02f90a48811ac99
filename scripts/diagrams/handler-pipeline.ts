import { arrow, box, line, picture, type Tone, text } from './svg.ts'

interface Step {
  readonly name: string
  readonly does: string
  readonly tone?: Tone
  /** What ends the request here, one line each. */
  readonly ends: readonly string[]
}

const UNVERIFIED: readonly Step[] = [
  {
    name: 'Identify',
    does: 'method, `Client-Id`',
    ends: ['405 `METHOD_NOT_SUPPORTED`', '401 `INVALID_CLIENT`'],
  },
  {
    name: 'Check the headers',
    does: 'form, then the time',
    ends: ['400, 415: a header breaks a rule', '401 `INVALID_SIGNATURE`: the time'],
  },
  {
    name: 'Read the body',
    does: 'raw bytes, limited',
    ends: ['413 too large, 408 too slow', '429 `maxConcurrent`, `maxReading`'],
  },
  {
    name: 'Verify the signature',
    does: 'over the raw bytes',
    ends: ['401 `INVALID_SIGNATURE`', '`onEvent` gets the likely cause'],
  },
]

const VERIFIED: readonly Step[] = [
  { name: 'Decrypt', does: 'only if it is encrypted', ends: ['`PARAM_ILLEGAL`'] },
  { name: 'Parse and validate', does: 'strict JSON, then fields', ends: ['`PARAM_ILLEGAL`'] },
  {
    name: 'Claim the order',
    does: 'in the store, atomically',
    ends: [
      'replay: the stored response',
      'duplicate, stale: `SUCCESS`',
      'busy: `UNKNOWN_EXCEPTION`',
      'conflict: `REPEAT_REQ_INCONSISTENT`',
    ],
  },
  {
    name: 'onOrder',
    does: 'your code',
    tone: 'yours',
    ends: ['`OrderRefusedError`: its result code', 'any other error: `UNKNOWN_EXCEPTION`'],
  },
  { name: 'Store the response', does: 'and release the order', ends: ['store fails: `UNKNOWN_EXCEPTION`'] },
]

const ROW = 66
const HEIGHT = 50

function row({ name, does, tone = 'plain', ends }: Step, y: number): string[] {
  const middle = y + HEIGHT / 2
  const first = middle + 4.5 - ((ends.length - 1) * 16) / 2
  return [
    box({ x: 90, y, width: 230, height: HEIGHT }, [`**${name}**`, does], { tone }),
    arrow([
      [320, middle],
      [372, middle],
    ]),
    ...ends.map((end, index) => text(382, first + index * 16, end)),
  ]
}

const down = (y: number) =>
  arrow([
    [205, y + HEIGHT],
    [205, y + ROW - 2],
  ])

const BORDER = 44 + UNVERIFIED.length * ROW + 6
const SECOND = BORDER + 42

export const handlerPipeline = picture({
  title: 'The steps of the handler',
  description:
    'Unverified request: identify the caller, check the headers and the time, read the body, verify the signature. A failure gets an unsigned 4xx response. ' +
    'Verified request: decrypt, parse and validate, claim the order in the store, call onOrder, store the response. Each of these results has HTTP 200 and is signed. ' +
    'Then onEvent is called, and the response is sent.',
  height: SECOND + VERIFIED.length * ROW + 108,
  shapes: [
    text(382, 28, '**ends here: HTTP 4xx, not signed**'),
    text(205, 28, '**request**', { anchor: 'middle' }),
    arrow([
      [205, 34],
      [205, 42],
    ]),
    ...UNVERIFIED.flatMap((step, index) => {
      const y = 44 + index * ROW
      return [...row(step, y), ...(index < UNVERIFIED.length - 1 ? [down(y)] : [])]
    }),
    line([20, BORDER + 8], [700, BORDER + 8], { dashed: true }),
    arrow([
      [205, BORDER - 22],
      [205, SECOND - 2],
    ]),
    text(382, BORDER + 30, '**ends here: HTTP 200, signed**'),
    text(20, BORDER + 30, 'verified: from AlipayHK', { muted: true }),
    ...VERIFIED.flatMap((step, index) => {
      const y = SECOND + index * ROW
      return [...row(step, y), down(y)]
    }),
    box(
      { x: 90, y: SECOND + VERIFIED.length * ROW, width: 230, height: HEIGHT },
      ['**onEvent**, then respond', '`SUCCESS`, signed'],
      { tone: 'good' },
    ),
    text(
      20,
      SECOND + VERIFIED.length * ROW + 74,
      'Not finished after `timeoutMs` (10 s): `UNKNOWN_EXCEPTION`. `onOrder` goes on, and its result is stored.',
      {
        muted: true,
      },
    ),
    text(
      20,
      SECOND + VERIFIED.length * ROW + 94,
      'A failure on your own side before the claim, such as a missing key: HTTP 500, not signed.',
      {
        muted: true,
      },
    ),
    text(382, SECOND + VERIFIED.length * ROW + 21, '`onEvent` is called for every request.', { muted: true }),
    text(382, SECOND + VERIFIED.length * ROW + 39, 'The response to an encrypted one is encrypted.', { muted: true }),
  ],
})
