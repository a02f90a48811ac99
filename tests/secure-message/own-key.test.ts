import { webcrypto } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { type Credentials, createOrderSyncClient, type OrderInput, parsePrivateKey } from '../../src/public/index.ts'
import { parseCredentials } from '../../src/secure-message/credentials.ts'
import { assertPeerKeysNotOwn, startOwnKeyProbe } from '../../src/secure-message/own-key.ts'
import { der, gatewayRsa, merchantEcc, merchantRsa, type Pair, strangerRsa } from '../support/keys.ts'
import { merchant, SUCCESS, summarize } from '../support/merchant.ts'
import { merchantCredentials, NOW, order, request } from '../support/messages.ts'
import { rejectionOf } from '../support/thrown.ts'
import { recordWarnings } from '../support/warnings.ts'

const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
const privateCryptoKey = ({ privateKey }: Pair) =>
  webcrypto.subtle.importKey('pkcs8', der(privateKey), RSA, false, ['sign'])
const publicCryptoKey = ({ publicKey }: Pair) =>
  webcrypto.subtle.importKey('spki', der(publicKey), RSA, false, ['verify'])

const signerOf = ({ privateKey }: Pair) => {
  const key = parsePrivateKey(privateKey)
  return { algorithm: key.algorithm, sign: vi.fn((bytes: Uint8Array) => key.sign(bytes)) }
}

/** Our own key stands in the peer's place. */
const OWN: [string, () => Promise<Partial<Credentials>>][] = [
  ['a signer', async () => ({ privateKeys: { 1: signerOf(merchantRsa()) } })],
  [
    'an ECC224 signer',
    async () => ({ privateKeys: { 1: signerOf(merchantEcc()) }, peerPublicKeys: { 1: merchantEcc().publicKey } }),
  ],
  ['a private CryptoKey', async () => ({ privateKeys: { 1: await privateCryptoKey(merchantRsa()) } })],
  [
    'a signer of an old version, and a signer that is not its own peer',
    async () => ({ privateKeys: { 1: signerOf(merchantRsa()), 2: signerOf(strangerRsa()) } }),
  ],
  [
    'a signer of an old version, and a signer that fails',
    async () => ({
      privateKeys: {
        1: signerOf(merchantRsa()),
        2: { algorithm: 'RSA256', sign: () => Promise.reject(new Error('the KMS is down')) },
      },
    }),
  ],
  ['a public CryptoKey', async () => ({ peerPublicKeys: { 1: await publicCryptoKey(merchantRsa()) } })],
  [
    'a signer of an old version, and another key of the peer',
    async () => ({
      privateKeys: { 1: signerOf(merchantRsa()), 2: merchantEcc().privateKey },
      peerPublicKeys: { 1: merchantRsa().publicKey, 2: gatewayRsa().publicKey },
    }),
  ],
]

const ownCredentials = async (changes: () => Promise<Partial<Credentials>>): Promise<Credentials> => ({
  ...merchantCredentials(),
  peerPublicKeys: { 1: merchantRsa().publicKey },
  ...(await changes()),
})

const ERR_KEY_OWN = { name: 'ConfigurationError', code: 'ERR_KEY_OWN' }

describe('when the peer’s key is your own key,', () => {
  test.each(OWN)('the handler responds 500, and reports ERR_KEY_OWN: %s', async (_, changes) => {
    const emitWarning = recordWarnings()
    const { handler, events, onOrder } = merchant({ credentials: await ownCredentials(changes) })
    // Our own message, played back to us.
    const { status } = await handler(request({ key: merchantRsa().privateKey }))
    expect(status).toBe(500)
    expect(onOrder).not.toHaveBeenCalled()
    expect(events).toMatchObject([{ kind: 'unavailable', code: 'ERR_KEY_OWN' }])
    expect(events[0]?.message).toContain('peerPublicKeys[1]')
    expect(emitWarning.mock.calls).toMatchObject([[{}, { code: 'ERR_KEY_OWN' }]])
  })

  test.each(OWN)('syncOrder rejects with ERR_KEY_OWN, and sends nothing: %s', async (_, changes) => {
    const fetch = vi.fn<typeof globalThis.fetch>()
    const client = createOrderSyncClient({ credentials: await ownCredentials(changes), environment: 'testing', fetch })
    for (let times = 0; times < 2; times++) {
      expect(await rejectionOf(client.syncOrder(order() as unknown as OrderInput))).toMatchObject(ERR_KEY_OWN)
    }
    expect(fetch).not.toHaveBeenCalled()
  })

  test('the handler reports it for credentials that a function returns, and for a request that does not verify', async () => {
    recordWarnings()
    const credentials = await ownCredentials(async () => ({ privateKeys: { 1: signerOf(merchantRsa()) } }))
    const { handler, events } = merchant({ credentials: () => credentials })
    await handler(request())
    expect(events).toMatchObject([{ code: 'ERR_KEY_OWN' }])
  })
})

describe('assertPeerKeysNotOwn', () => {
  const parsed = (changes: Partial<Credentials>) => parseCredentials({ ...merchantCredentials(), ...changes })

  test('signs once for all messages, when the keys differ', async () => {
    const signer = signerOf(merchantRsa())
    const credentials = parsed({ privateKeys: { 1: signer } })
    await Promise.all([1, 2, 3].map(() => assertPeerKeysNotOwn(credentials, { timeoutMs: 1_000 })))
    await assertPeerKeysNotOwn(credentials, { timeoutMs: 1_000 })
    expect(signer.sign).toHaveBeenCalledTimes(1)
  })

  test('signs one line, which is the signed content of no message', async () => {
    const signer = signerOf(merchantRsa())
    await assertPeerKeysNotOwn(parsed({ privateKeys: { 1: signer } }), { timeoutMs: 1_000 })
    expect(signer.sign.mock.calls.map(([content]) => Buffer.from(content).toString())).toEqual([
      expect.stringMatching(/^[^\n]+$/),
    ])
  })

  test('accepts keys that have no fingerprint on both sides', async () => {
    const credentials = parsed({
      privateKeys: { 1: signerOf(merchantRsa()) },
      peerPublicKeys: { 1: await publicCryptoKey(gatewayRsa()) },
    })
    await expect(assertPeerKeysNotOwn(credentials, { timeoutMs: 1_000 })).resolves.toBeUndefined()
  })

  test('accepts a key that only decrypts, beside a signer', async () => {
    const credentials = parsed({
      privateKeys: { 1: signerOf(merchantRsa()), 2: { decrypt: merchantRsa().privateKey } },
      signingKeyVersion: '1',
      peerPublicKeys: { 1: gatewayRsa().publicKey },
    })
    await expect(assertPeerKeysNotOwn(credentials, { timeoutMs: 1_000 })).resolves.toBeUndefined()
  })

  test('signs nothing when the fingerprints of all keys are known', async () => {
    const credentials = parsed({ peerPublicKeys: { 1: gatewayRsa().publicKey } })
    const sign = vi.spyOn(credentials.signingKey.key, 'sign')
    await assertPeerKeysNotOwn(credentials, { timeoutMs: 1_000 })
    expect(sign).not.toHaveBeenCalled()
  })

  test.each([
    ['fails', () => Promise.reject(new Error('the KMS is down'))],
    [
      'throws',
      () => {
        throw new Error('the KMS is down')
      },
    ],
    ['never responds', () => new Promise<never>(() => {})],
    ['returns something else', () => Promise.resolve(Uint8Array.of(1))],
  ])('has no result when the signer %s', async (_, sign) => {
    const signer = { algorithm: 'RSA256' as const, sign: vi.fn(sign) }
    const credentials = parsed({ privateKeys: { 1: signer }, peerPublicKeys: { 1: merchantRsa().publicKey } })
    await assertPeerKeysNotOwn(credentials, { timeoutMs: 20 })
    const calls = signer.sign.mock.calls.length
    await assertPeerKeysNotOwn(credentials, { timeoutMs: 20 })
    expect(signer.sign).toHaveBeenCalledTimes(calls)
  })

  test('verifies once for all messages', async () => {
    const credentials = parsed({ privateKeys: { 1: signerOf(merchantRsa()) } })
    const verify = vi.spyOn(credentials.peerPublicKeys.latest.key, 'verify')
    startOwnKeyProbe(credentials)
    await vi.waitFor(() => expect(verify).toHaveBeenCalled())
    await assertPeerKeysNotOwn(credentials, { timeoutMs: 1_000 })
    await assertPeerKeysNotOwn(credentials, { timeoutMs: 1_000 })
    expect(verify).toHaveBeenCalledTimes(1)
  })

  test('probes again after a failure before the first message, with the signers that have failed', async () => {
    const [working, failing] = [signerOf(strangerRsa()), signerOf(merchantRsa())]
    failing.sign.mockRejectedValueOnce(new Error('not yet'))
    const credentials = parsed({
      privateKeys: { 1: working, 2: failing },
      peerPublicKeys: { 1: merchantRsa().publicKey },
    })
    const verify = vi.spyOn(credentials.peerPublicKeys.latest.key, 'verify')
    startOwnKeyProbe(credentials)
    await vi.waitFor(() => expect(verify).toHaveBeenCalled())
    await verify.mock.results[0]?.value
    await new Promise(setImmediate)
    expect(await rejectionOf(assertPeerKeysNotOwn(credentials, { timeoutMs: 1_000 }))).toMatchObject(ERR_KEY_OWN)
    expect([working.sign, failing.sign].map(({ mock }) => mock.calls.length)).toEqual([1, 2])
  })

  test('does not wait once the probe has ended: an aborted signal changes nothing', async () => {
    const credentials = parsed({ privateKeys: { 1: signerOf(merchantRsa()) } })
    await assertPeerKeysNotOwn(credentials, { timeoutMs: 1_000 })
    await assertPeerKeysNotOwn(credentials, { signal: AbortSignal.abort(new Error('aborted')) })
  })

  test('rejects with the reason of its signal', async () => {
    const never = { algorithm: 'RSA256' as const, sign: () => new Promise<never>(() => {}) }
    const reason = new Error('aborted')
    const limits = { signal: AbortSignal.abort(reason) }
    expect(await rejectionOf(assertPeerKeysNotOwn(parsed({ privateKeys: { 1: never } }), limits))).toBe(reason)
  })
})

test('the handler processes the first order although the probe of its signer failed', async () => {
  const signer = signerOf(merchantRsa())
  signer.sign.mockRejectedValueOnce(new Error('not yet'))
  const { handler } = merchant({
    credentials: { ...merchantCredentials(), privateKeys: { 1: signer } },
    now: () => NOW,
  })
  expect(summarize(await handler(request()))).toStrictEqual(SUCCESS)
})
