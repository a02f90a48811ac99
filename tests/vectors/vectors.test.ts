import { describe, expect, test } from 'vitest'
import { decryptBody } from '../../src/crypto/envelope.ts'
import { verify } from '../../src/crypto/signature.ts'
import { describeKey, parsePrivateKey, parsePublicKey } from '../../src/keys/keys.ts'
import { decide } from '../../src/policy/idempotency.ts'
import { parseEncryptHeader, parseSignatureHeader } from '../../src/protocol/headers.ts'
import { parseJson } from '../../src/protocol/json.ts'
import { signedContent } from '../../src/protocol/signed-content.ts'
import { parseTime } from '../../src/protocol/time.ts'
import { read } from '../support/project.ts'

const load = <Row>(name: string): Row[] => JSON.parse(read(`vectors/${name}.json`))
const failureOf = (run: () => unknown) => {
  try {
    return { value: run() }
  } catch (error) {
    return { code: (error as { code?: string }).code }
  }
}
const nullIfThrown = (run: () => unknown) => ('value' in failureOf(run) ? failureOf(run).value : null)

interface Content {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly clientId: string
  readonly time: string
  readonly body: string
}

test.each(load<{ name: string; algorithm: string; fingerprint: string }>('keys'))('key $name', (row) => {
  const { name, algorithm, fingerprint } = row
  for (const file of [name, `${name}-public`]) {
    expect(describeKey(read(`vectors/keys/${file}.pem`))).toMatchObject({ algorithm, fingerprint })
  }
})

test.each(load<{ name: string; text: string; accepted: boolean; fingerprint?: string }>('key-forms'))(
  'key form: $name, accepted: $accepted',
  ({ text, accepted, fingerprint }) => {
    const found = failureOf(() => describeKey(text).fingerprint)
    expect(found).toEqual(accepted ? { value: fingerprint } : { code: expect.stringMatching(/^ERR_KEY_/) })
  },
)

test.each(load<Content & { contentBase64: string }>('signed-content'))('signed content: $name', (row) => {
  expect(Buffer.from(signedContent(row, Buffer.from(row.body))).toString('base64')).toBe(row.contentBase64)
})

test.each(load<Content & { key: string; signatureHeader: string; valid: boolean }>('signatures'))(
  'signature: $name, valid: $valid',
  async (row) => {
    const key = parsePublicKey(read(`vectors/keys/${row.key}-public.pem`))
    const { signature } = parseSignatureHeader(row.signatureHeader)
    expect(await verify(key, signedContent(row, Buffer.from(row.body)), signature)).toBe(row.valid)
  },
)

describe('envelopes', () => {
  type Row = { name: string; key: string; encryptHeader: string; body: string; plaintext: string | null }
  const rows = load<Row>('envelopes')
  const open = async ({ key, encryptHeader, body }: Row) => {
    const { symmetricKey } = parseEncryptHeader(encryptHeader)
    return await decryptBody(
      { body: Buffer.from(body), symmetricKey },
      parsePrivateKey(read(`vectors/keys/${key}.pem`)),
      {},
      // One random substitute for an AES key in 256 makes a padding that is valid by chance.
      (size) => Buffer.alloc(size, 7),
    )
  }

  test.each(rows.filter(({ plaintext }) => plaintext !== null))('$name', async (row) => {
    expect(Buffer.from(await open(row)).toString()).toBe(row.plaintext)
  })

  test('all failures look the same', async () => {
    const failures = await Promise.all(
      rows
        .filter(({ plaintext }) => plaintext === null)
        .map((row) =>
          open(row).then(
            () => row.name,
            ({ code, message }: { code: string; message: string }) => ({ code, message }),
          ),
        ),
    )
    expect(failures.length).toBeGreaterThan(3)
    expect(new Set(failures.map((failure) => JSON.stringify(failure))).size).toBe(1)
    expect(failures[0]).toMatchObject({ code: 'ERR_DECRYPTION' })
  })
})

test.each(load<{ text: string; milliseconds: number | null }>('times'))('time: $text', ({ text, milliseconds }) => {
  expect(nullIfThrown(() => parseTime(text))).toBe(milliseconds)
})

test.each(load<{ text: string; accepted: boolean }>('json'))(
  'JSON: $text, accepted: $accepted',
  ({ text, accepted }) => {
    const found = failureOf(() => parseJson(Buffer.from(text)))
    expect(accepted ? 'value' in found : found.code === 'ERR_JSON_INVALID').toBe(true)
  },
)

type Decide = Parameters<typeof decide>
test.each(load<{ name: string; remembered: Decide[0]; incoming: Decide[1]; decision: string }>('idempotency'))(
  'decision: $name',
  ({ remembered, incoming, decision }) => {
    expect(decide(remembered, incoming)).toBe(decision)
  },
)
