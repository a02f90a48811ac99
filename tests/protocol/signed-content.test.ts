import { expect, test } from 'vitest'
import { encodeUtf8 } from '../../src/protocol/encoding.ts'
import { signedContent } from '../../src/protocol/signed-content.ts'

const head = {
  method: 'POST',
  path: '/api/open/alipay/v1/merchant/order/sync?a=1&b=%20',
  clientId: '4Q5Y8W0WSG45P907917',
  time: '2024-05-22T06:42:21+05:30',
}
const join = ({ head, body }: { head: string; body: Uint8Array }) => head + new TextDecoder().decode(body)

test('is the method and path with query, one line feed, then client id, time and body between dots', () => {
  const content = signedContent(head, encodeUtf8('{"orderStatus":"付款"}'))
  expect(join(content)).toBe(
    'POST /api/open/alipay/v1/merchant/order/sync?a=1&b=%20\n' +
      '4Q5Y8W0WSG45P907917.2024-05-22T06:42:21+05:30.{"orderStatus":"付款"}',
  )
})

test('the method is in upper case, and nothing else is touched', () => {
  const upper = signedContent({ ...head, path: '/Sync', clientId: 'aB', time: '1716340341000' }, encodeUtf8(''))
  const lower = signedContent(
    { ...head, path: '/Sync', clientId: 'aB', time: '1716340341000', method: 'post' },
    encodeUtf8(''),
  )
  expect(lower).toEqual(upper)
  expect(join(lower)).toBe('POST /Sync\naB.1716340341000.')
})

test('the body is the same bytes, not a copy, and need not be text', () => {
  const body = new Uint8Array([0xff, 0x00, 0x0a])
  expect(signedContent(head, body).body).toBe(body)
})

test.each(['method', 'path', 'clientId', 'time'] as const)('another %s is another content', (field) => {
  const body = encodeUtf8('{}')
  expect(signedContent({ ...head, [field]: `${head[field]}X` }, body)).not.toEqual(signedContent(head, body))
})
