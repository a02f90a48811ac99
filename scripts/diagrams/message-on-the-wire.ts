import { arrow, box, picture, text } from './svg.ts'

const SIGNED = { tone: 'good', anchor: 'start' } as const
const UNSIGNED = { tone: 'plain', anchor: 'start' } as const

const ROWS = [
  ['`POST /api/open/alipay/v1/merchant/order/sync`', SIGNED, 'method, path and query'],
  ['`Client-Id: 4Q5Y8W0WSG45P907917`', SIGNED, 'identifies the merchant'],
  ['`Request-Time: 2024-05-22T09:12:21+08:00`', SIGNED, 'at most 300 s from your clock'],
  ['`Signature: algorithm=RSA256,keyVersion=1,signature=…`', UNSIGNED, 'over the four green parts'],
  ['`Encrypt: algorithm=RSA_AES,keyVersion=1,symmetricKey=…`', UNSIGNED, 'only with an encrypted body'],
  ['`Content-Type: application/json; charset=UTF-8`', UNSIGNED, 'not signed, like all others'],
  ['`{"requestId":"…","orderStatus":"PAID", …}`', SIGNED, 'the raw bytes, as sent'],
] as const

const ROW_HEIGHT = 32
const TOP = 46

const rows = ROWS.flatMap(([line, options, remark], index) => {
  const y = TOP + index * ROW_HEIGHT
  return [
    box({ x: 20, y, width: 470, height: ROW_HEIGHT - 5 }, [line], options),
    text(504, y + 18, remark, { muted: true }),
  ]
})

export const messageOnTheWire = picture({
  title: 'A message on the wire',
  description:
    'An HTTP request with its headers and body. The signature covers the method and path, the Client-Id, the Request-Time and the raw body. ' +
    'It does not cover the other headers. An encrypted body is base64 of AES ciphertext, and the Encrypt header has the AES key, encrypted to the recipient.',
  height: 536,
  shapes: [
    text(20, 30, '**The request** (green: covered by the signature)'),
    ...rows,
    arrow([
      [255, 268],
      [255, 308],
    ]),
    text(268, 294, 'joined, with one line feed', { muted: true }),
    box(
      { x: 20, y: 312, width: 470, height: 54 },
      ['`POST /api/open/alipay/v1/merchant/order/sync`', '`4Q5Y8W0WSG45P907917.2024-05-22T09:12:21+08:00.<body>`'],
      SIGNED,
    ),
    text(504, 334, '**The signed content**'),
    text(504, 352, 'ends without a line feed', { muted: true }),
    box(
      { x: 20, y: 386, width: 330, height: 132 },
      [
        '**Signature**',
        'The sender signs the content',
        'with the sender’s private key.',
        'The recipient verifies it',
        'with the sender’s public key.',
      ],
      { anchor: 'start' },
    ),
    box(
      { x: 370, y: 386, width: 330, height: 132 },
      [
        '**Encrypted body**',
        '1. body = base64 of AES(order, new key)',
        '2. `symmetricKey` = RSA(that AES key)',
        '    with the recipient’s public key',
        '3. sign: the content has the ciphertext',
      ],
      { anchor: 'start' },
    ),
  ],
})
