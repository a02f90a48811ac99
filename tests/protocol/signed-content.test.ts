import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../src/protocol/encoding.ts'
import { signedContent } from '../../src/protocol/signed-content.ts'

const head = {
  method: 'POST',
  path: '/api/open/alipay/v1/merchant/order/sync?a=1&b=%20',
  clientId: '4Q5Y8W0WSG45P907917',
  time: '2024-05-22T06:42:21+05:30',
}
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

describe('signedContent', () => {
  test('joins the method and the path with query, one line feed, then client id, time and body between dots', () => {
    expect(text(signedContent(head, encodeUtf8('{"orderStatus":"付款"}')))).toBe(
      'POST /api/open/alipay/v1/merchant/order/sync?a=1&b=%20\n' +
        '4Q5Y8W0WSG45P907917.2024-05-22T06:42:21+05:30.{"orderStatus":"付款"}',
    )
  })

  test('converts the method to upper case, and nothing else', () => {
    const upper = signedContent({ ...head, path: '/Sync', clientId: 'aB', time: '1716340341000' }, encodeUtf8(''))
    const lower = signedContent(
      { ...head, path: '/Sync', clientId: 'aB', time: '1716340341000', method: 'post' },
      encodeUtf8(''),
    )
    expect(lower).toEqual(upper)
    expect(text(lower)).toBe('POST /Sync\naB.1716340341000.')
  })

  test('appends the bytes of the body unchanged, also when they are not text', () => {
    const body = new Uint8Array([0xff, 0x00, 0x0a])
    expect([...signedContent(head, body).subarray(-4)]).toEqual([0x2e, 0xff, 0x00, 0x0a])
  })

  test('encodes the head as UTF-8', () => {
    expect(text(signedContent({ ...head, path: '/訂單' }, encodeUtf8('')))).toContain('POST /訂單\n')
  })

  test.each(['method', 'path', 'clientId', 'time'] as const)('returns other bytes for another %s', (field) => {
    const body = encodeUtf8('{}')
    expect(signedContent({ ...head, [field]: `${head[field]}X` }, body)).not.toEqual(signedContent(head, body))
  })
})
