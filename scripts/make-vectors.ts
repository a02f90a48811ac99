/**
 * Creates the test vectors of vectors/: the program `openssl` does all cryptography, and nothing of src/ is used.
 * Usage: npm run vectors. Keys and signatures are new each time, so run it only when a vector is added.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const target = resolve('vectors')
const folder = mkdtempSync(join(tmpdir(), 'vectors-'))
const openssl = (args: readonly string[], input?: Uint8Array | string): Buffer =>
  execFileSync('openssl', args, { cwd: folder, input, stdio: ['pipe', 'pipe', 'ignore'] })
const write = (name: string, value: unknown) =>
  writeFileSync(join(target, name), typeof value === 'string' ? value : `${JSON.stringify(value, undefined, 2)}\n`)
const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64')

// Keys

const KEYS = ['merchant-rsa', 'alipayhk-rsa', 'alipayhk-ecc', 'stranger-rsa'] as const
type KeyName = (typeof KEYS)[number]
for (const name of KEYS) {
  const kind = name.endsWith('rsa')
    ? ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']
    : ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp224r1', '-pkeyopt', 'ec_param_enc:named_curve']
  openssl(['genpkey', ...kind, '-out', `${name}.pem`])
  openssl(['pkey', '-in', `${name}.pem`, '-pubout', '-out', `${name}-public.pem`])
}
const pem = (file: string) => readFileSync(join(folder, file), 'utf8')
const derOf = (name: KeyName) => openssl(['pkey', '-in', `${name}.pem`, '-pubout', '-outform', 'DER'])
const fingerprint = (name: KeyName) => openssl(['dgst', '-sha256', '-r'], derOf(name)).toString().split(' ')[0] ?? ''
mkdirSync(join(target, 'keys'), { recursive: true })
for (const name of KEYS) {
  write(`keys/${name}.pem`, pem(`${name}.pem`))
  write(`keys/${name}-public.pem`, pem(`${name}-public.pem`))
}
write(
  'keys.json',
  KEYS.map((name) => ({ name, algorithm: name.endsWith('rsa') ? 'RSA256' : 'ECC224', fingerprint: fingerprint(name) })),
)

// Key forms

const publicPem = pem('alipayhk-rsa-public.pem')
const publicBase64 = publicPem.replace(/-----[^-]+-----|\s/g, '')
const accepted: readonly (readonly [string, string])[] = [
  ['PEM, SPKI', publicPem],
  ['PEM, PKCS#1', openssl(['rsa', '-pubin', '-in', 'alipayhk-rsa-public.pem', '-RSAPublicKey_out']).toString()],
  ['base64 of SPKI, one line', publicBase64],
  ['base64 of SPKI, wrapped', publicBase64.replace(/.{64}/g, '$&\n')],
  ['PEM with CRLF', publicPem.replaceAll('\n', '\r\n')],
  ['PEM with escaped line feeds', publicPem.trim().replaceAll('\n', '\\n')],
  ['PEM in double quotes', `"${publicPem.trim()}"`],
  ['PEM with a byte order mark', `\ufeff${publicPem}`],
  ['PEM on one line', publicPem.trim().replaceAll('\n', ' ')],
]
const refused: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['an RSA key of 1024 bits', weakPublicKey()],
  ['PEM that was cut off', publicPem.slice(0, 200)],
  ['a placeholder', '\u0024{ALIPAYHK_PUBLIC_KEY}'],
  ['base64 of other bytes', base64('not a key at all, but long enough to look like one')],
]
write('key-forms.json', [
  ...accepted.map(([name, text]) => ({ name, text, accepted: true, fingerprint: fingerprint('alipayhk-rsa') })),
  ...refused.map(([name, text]) => ({ name, text, accepted: false })),
])

function weakPublicKey(): string {
  openssl(['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024', '-out', 'weak.pem'])
  return openssl(['pkey', '-in', 'weak.pem', '-pubout']).toString()
}

// Signed content and signatures

const PATH = '/api/open/alipay/v1/merchant/order/sync'
const CLIENT_ID = '4Q5Y8W0WSG45P907917'
const TIME = '2024-05-22T09:12:21+08:00'
const ORDER =
  '{"requestId":"9f1c3a52d4e94c6fa0b1c2d3e4f50617","tradeNo":"2024052200001","merchantBizNo":"A-1001","merchantBizType":"TRADE_ORDER","orderStatus":"PAID","orderCreateTime":1716331341000,"orderModifyTime":1716331341000,"userId":"2088000000000000","extInfo":{"note":"港幣 10 元"}}'

interface Content {
  readonly method: string
  readonly path: string
  readonly clientId: string
  readonly time: string
  readonly body: string
}
const content = (changes: Partial<Content> = {}): Content => ({
  ...{ method: 'POST', path: PATH, clientId: CLIENT_ID, time: TIME, body: ORDER },
  ...changes,
})
const bytesOf = ({ method, path, clientId, time, body }: Content) =>
  Buffer.from(`${method} ${path}\n${clientId}.${time}.${body}`)
const contents: readonly (readonly [string, Content])[] = [
  ['an order', content()],
  ['an empty object', content({ body: '{}' })],
  ['a path with a query string', content({ path: `${PATH}?channel=1` })],
  ['a body that ends with a line feed', content({ body: `${ORDER}\n` })],
  ['a body with escaped characters', content({ body: '{"note":"\\u6e2f\\/"}' })],
  ['a time in milliseconds', content({ time: '1716340341000' })],
]
write(
  'signed-content.json',
  contents.map(([name, parts]) => ({
    name,
    ...parts,
    contentBase64: base64(bytesOf(parts)),
    sha256: openssl(['dgst', '-sha256', '-r'], bytesOf(parts)).toString().split(' ')[0],
  })),
)

const sign = (name: KeyName, bytes: Uint8Array, digest = '-sha256') => {
  writeFileSync(join(folder, 'content'), bytes)
  return openssl(['dgst', digest, '-sign', `${name}.pem`, 'content'])
}
const header = (algorithm: string, signature: Uint8Array, form = encodeURIComponent) =>
  `algorithm=${algorithm},keyVersion=1,signature=${form(base64(signature))}`
const order = bytesOf(content())
const rsa = sign('alipayhk-rsa', order)
const flipped = Buffer.from(rsa)
flipped[0] = (flipped[0] ?? 0) ^ 1
const signatures = [
  ['RSA256', 'alipayhk-rsa', header('RSA256', rsa), true],
  ['RSA256, not URL-encoded', 'alipayhk-rsa', header('RSA256', rsa, String), true],
  [
    'RSA256, base64url',
    'alipayhk-rsa',
    header('RSA256', rsa, (text) => String(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')),
    true,
  ],
  ['RSA256, without key version', 'alipayhk-rsa', header('RSA256', rsa).replace('keyVersion=1,', ''), true],
  ['ECC224, DER', 'alipayhk-ecc', header('ECC224', sign('alipayhk-ecc', order)), true],
  ['RSA256 of a stranger', 'alipayhk-rsa', header('RSA256', sign('stranger-rsa', order)), false],
  [
    'RSA256 over another content',
    'alipayhk-rsa',
    header('RSA256', sign('alipayhk-rsa', Buffer.concat([order, Buffer.from(' ')]))),
    false,
  ],
  ['RSA with SHA-1', 'alipayhk-rsa', header('RSA256', sign('alipayhk-rsa', order, '-sha1')), false],
  ['RSA256 with a changed bit', 'alipayhk-rsa', header('RSA256', flipped), false],
  ['RSA256 that was cut off', 'alipayhk-rsa', header('RSA256', rsa.subarray(0, 255)), false],
  ['ECC224 over another content', 'alipayhk-ecc', header('ECC224', sign('alipayhk-ecc', Buffer.from('other'))), false],
] as const
write(
  'signatures.json',
  signatures.map(([name, key, signatureHeader, valid]) => ({ name, key, ...content(), signatureHeader, valid })),
)

// Envelopes: from AlipayHK to the merchant

function envelope(bits: 128 | 192 | 256, plaintext: string, { wrapFor = 'merchant-rsa', padding = 'pkcs1' } = {}) {
  const key = openssl(['rand', String(bits / 8)])
  const body = openssl(['enc', `-aes-${bits}-ecb`, '-K', key.toString('hex')], plaintext)
  writeFileSync(join(folder, 'aes-key'), key)
  const wrapped = openssl([
    ...['pkeyutl', '-encrypt', '-pubin', '-inkey', `${wrapFor}-public.pem`],
    ...['-pkeyopt', `rsa_padding_mode:${padding}`, '-in', 'aes-key'],
  ])
  const encryptHeader = `algorithm=RSA_AES,keyVersion=1,symmetricKey=${encodeURIComponent(base64(wrapped))}`
  return { key: 'merchant-rsa', encryptHeader, body: base64(body) }
}
const whole = envelope(256, ORDER)
write('envelopes.json', [
  { name: 'AES-256', ...whole, plaintext: ORDER },
  { name: 'AES-192', ...envelope(192, ORDER), plaintext: ORDER },
  { name: 'AES-128', ...envelope(128, ORDER), plaintext: ORDER },
  {
    name: 'a plaintext of whole blocks',
    ...envelope(256, '{"a":"01234567"}'),
    plaintext: '{"a":"01234567"}',
  },
  { name: 'base64 with line breaks', ...whole, body: whole.body.replace(/.{76}/g, '$&\r\n'), plaintext: ORDER },
  { name: 'for another key', ...envelope(256, ORDER, { wrapFor: 'stranger-rsa' }), plaintext: null },
  { name: 'RSA-OAEP, which was not agreed', ...envelope(256, ORDER, { padding: 'oaep' }), plaintext: null },
  {
    name: 'a ciphertext that was cut off',
    ...whole,
    body: base64(Buffer.from(whole.body, 'base64').subarray(0, 40)),
    plaintext: null,
  },
  { name: 'a body that is not base64', ...whole, body: ORDER, plaintext: null },
  { name: 'an empty body', ...whole, body: '', plaintext: null },
])

// Times, JSON, decisions: no cryptography

write('times.json', [
  ...(
    [
      ['2024-05-22T09:12:21+08:00', 1716340341000],
      ['2024-05-22T01:12:21Z', 1716340341000],
      ['2024-05-22T09:12:21.5+0800', 1716340341500],
      ['2024-05-22T09:12:21.123456789+08:00', 1716340341123],
      ['1716340341000', 1716340341000],
      ['2024-02-29T00:00:00Z', 1709164800000],
    ] as const
  ).map(([text, milliseconds]) => ({ text, milliseconds })),
  ...[
    '2024-05-22T09:12:21',
    '2024-05-22 09:12:21+08:00',
    '2023-02-29T00:00:00Z',
    '2024-05-22T24:00:00Z',
    '1716340341',
    '',
    'now',
  ].map((text) => ({ text, milliseconds: null })),
])

const deep = (depth: number) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`
write('json.json', [
  ...['{"a":1}', '{"a":9007199254740991}', '{"a":"\\u6e2f\\/"}', ' { "a" : [ ] } ', deep(62)].map((text) => ({
    text,
    accepted: true,
  })),
  ...[
    ['{"a":1,"a":2}', 'a repeated key'],
    ['{"__proto__":{}}', '__proto__'],
    ['{"a":9007199254740992}', 'an integer that is not safe'],
    ['{"a":1.5}', 'a fraction'],
    ['{"a":1', 'cut off'],
    ['{"a":1}x', 'text after the end'],
    ['\ufeff{"a":1}', 'a byte order mark'],
    [deep(100), 'too deep'],
    ['', 'nothing'],
  ].map(([text, why]) => ({ text, accepted: false, why })),
])

const last = { orderModifyTime: 2_000, processedAt: 9_000 }
const incoming = (orderModifyTime: number, digest = 'a') => ({ digest, orderModifyTime })
write('idempotency.json', [
  { name: 'nothing is known', remembered: { leased: false }, incoming: incoming(1_000), decision: 'process' },
  { name: 'a newer event', remembered: { leased: false, last }, incoming: incoming(2_001), decision: 'process' },
  { name: 'the same event', remembered: { leased: false, last }, incoming: incoming(2_000), decision: 'duplicate' },
  { name: 'an older event', remembered: { leased: false, last }, incoming: incoming(1_999), decision: 'stale' },
  { name: 'the order is being processed', remembered: { leased: true }, incoming: incoming(1_000), decision: 'busy' },
  {
    name: 'an older event while the order is being processed',
    remembered: { leased: true, last },
    incoming: incoming(1_000),
    decision: 'stale',
  },
  {
    name: 'a request that has a response',
    remembered: { leased: false, last, request: { digest: 'a', hasResponse: true } },
    incoming: incoming(2_000),
    decision: 'replay',
  },
  {
    name: 'a requestId with other content',
    remembered: { leased: false, request: { digest: 'b', hasResponse: true } },
    incoming: incoming(2_000),
    decision: 'conflict',
  },
  {
    name: 'a request that failed before',
    remembered: { leased: false, request: { digest: 'a', hasResponse: false } },
    incoming: incoming(2_000),
    decision: 'process',
  },
])

rmSync(folder, { recursive: true, force: true })
console.log(`written to ${target}`)
