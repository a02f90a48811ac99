import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { parsePrivateKey, parsePublicKey } from 'alipayhk-order-sync'
import { sign, verify } from 'alipayhk-order-sync/crypto'
import { install } from '../scripts/install.ts'
import { gatewayRsa, pem } from '../tests/support/keys.ts'
import { bytesOf, NOW, order } from '../tests/support/messages.ts'
import { runInFlight } from './contenders.ts'
import { type Bar, type Contender, compare, type Figure, SPEED } from './measure.ts'

/** The signed content of WeChat Pay: one of the peers verifies no other. The order is in Chinese, as in Hong Kong. */
const TIMESTAMP = String(NOW / 1_000)
const NONCE = '593BEC0C930BF1AFEB40B4A08C8FB242'
const BODY = JSON.stringify(order({ extInfo: { note: '外賣：叉燒飯兩份，走青'.repeat(10) } }))
const CONTENT = `${TIMESTAMP}\n${NONCE}\n${BODY}\n`

/** The key pair in the format that the peers accept. */
interface Keys {
  readonly privatePem: string
  readonly publicPem: string
}

/** Another library, which signs {@link CONTENT} and verifies its signature. Signatures are base64. */
interface Peer {
  readonly name: string
  readonly parsesKeyEachTime: boolean
  readonly sign: () => string | Promise<string>
  readonly verify: (signature: string) => boolean | Promise<boolean>
}

/**
 * Compares signing and verifying one payload with other libraries: RSA-2048, PKCS#1 v1.5, SHA-256. All of them sign on
 * the event loop, also those that return a promise: eight in flight run one after the other.
 */
export async function peers(rounds: number): Promise<Figure[]> {
  const { privateKey, publicKey } = gatewayRsa()
  const keys = { privatePem: pem(privateKey), publicPem: pem(publicKey) }
  const [signingKey, verifyingKey] = [parsePrivateKey(keys.privatePem), parsePublicKey(keys.publicPem)]
  const content = bytesOf(CONTENT)
  const signOurs = async () => Buffer.from(await sign(signingKey, content)).toString('base64')
  const verifyOurs = (signature: string) => verify(verifyingKey, content, Buffer.from(signature, 'base64'))
  const signature = await signOurs()
  const figures: Figure[] = []
  for (const peer of loadPeers(keys)) {
    if ((await peer.sign()) !== signature || !(await peer.verify(signature))) {
      throw new Error(`${peer.name} does not produce or accept the same signature`)
    }
    const bar: Bar = { least: peer.parsesKeyEachTime ? 3 : 1 }
    const compareBoth = (what: string, ours: Contender, theirs: Contender) =>
      compare({ what: `${what}, ${peer.name}`, ours, theirs, measures: [{ ...SPEED, bar }] }, rounds)
    figures.push(
      ...(await compareBoth('sign, 8 in flight', runInFlight(signOurs, 8), runInFlight(peer.sign, 8))),
      ...(await compareBoth(
        'verify',
        runInFlight(() => verifyOurs(signature)),
        runInFlight(() => peer.verify(signature)),
      )),
    )
  }
  return figures
}

// The parts of each library that are used, under their own names.
interface AlipaySdk {
  readonly AlipaySdk: new (
    config: object,
  ) => { rsaCheck(content: string, signature: string, signType: 'RSA2'): boolean }
}
interface AlipaySdkUtil {
  signatureV3(content: string, privateKey: string): string
}
interface WechatpayNode {
  new (
    config: object,
  ): {
    sign(content: string): string
    verifySign(message: {
      timestamp: string
      nonce: string
      body: string
      serial: string
      signature: string
    }): Promise<boolean>
  }
  readonly certificates: Record<string, string>
}
interface WechatpayAxios {
  readonly Rsa: {
    from(key: string, type: 'private' | 'public'): KeyObject
    sign(content: string, key: KeyObject): string
    verify(content: string, signature: string, key: KeyObject): boolean
  }
}
interface HttpMessageSignatures {
  createSigner(key: string | KeyObject, algorithm: string): { sign(content: Buffer): Promise<Buffer> }
  createVerifier(key: string | KeyObject, algorithm: string): (content: Buffer, signature: Buffer) => Promise<boolean>
}

function loadPeers(keys: Keys): Peer[] {
  const folder = resolve('.cache/peers')
  install(resolve('benchmarks/peers'), folder)
  const require = createRequire(`${folder}/package.json`)
  const httpMessageSignatures: HttpMessageSignatures = require('http-message-signatures')
  return [
    alipaySdk(
      require('alipay-sdk'),
      // Its client for API v3 calls this function with every request. The package does not export it.
      require(`${folder}/node_modules/alipay-sdk/dist/commonjs/util.js`),
      keys,
    ),
    wechatpayNode(require('wechatpay-node-v3'), keys),
    wechatpayAxios(require('wechatpay-axios-plugin'), keys),
    messageSignatures('http-message-signatures, PEM', httpMessageSignatures, keys.privatePem, keys.publicPem),
    messageSignatures(
      'http-message-signatures, KeyObject',
      httpMessageSignatures,
      createPrivateKey(keys.privatePem),
      createPublicKey(keys.publicPem),
    ),
  ]
}

/** Stores PEM text and parses it in each createSign().sign() and createVerify().verify(). */
function alipaySdk({ AlipaySdk }: AlipaySdk, { signatureV3 }: AlipaySdkUtil, { privatePem, publicPem }: Keys): Peer {
  const sdk = new AlipaySdk({ appId: '1', keyType: 'PKCS8', privateKey: privatePem, alipayPublicKey: publicPem })
  return {
    name: 'alipay-sdk',
    parsesKeyEachTime: true,
    sign: () => signatureV3(CONTENT, privatePem),
    verify: (signature) => sdk.rsaCheck(CONTENT, signature, 'RSA2'),
  }
}

/** Accepts PEM only, and parses it in each createSign().sign() and createVerify().verify(). */
function wechatpayNode(Pay: WechatpayNode, { privatePem, publicPem }: Keys): Peer {
  const serial = '1'
  const [publicKey, privateKey] = [Buffer.from(publicPem), Buffer.from(privatePem)]
  const pay = new Pay({ appid: '1', mchid: '1', serial_no: serial, publicKey, privateKey })
  // The state after its fetchCertificates().
  Pay.certificates[serial] = publicPem
  return {
    name: 'wechatpay-node-v3',
    parsesKeyEachTime: true,
    sign: () => pay.sign(CONTENT),
    verify: (signature) => pay.verifySign({ timestamp: TIMESTAMP, nonce: NONCE, body: BODY, serial, signature }),
  }
}

/** Rsa.from() creates a KeyObject. Its own client stores keys in this form. */
function wechatpayAxios({ Rsa }: WechatpayAxios, { privatePem, publicPem }: Keys): Peer {
  const [privateKey, publicKey] = [Rsa.from(privatePem, 'private'), Rsa.from(publicPem, 'public')]
  return {
    name: 'wechatpay-axios-plugin',
    parsesKeyEachTime: false,
    sign: () => Rsa.sign(CONTENT, privateKey),
    verify: (signature) => Rsa.verify(CONTENT, signature, publicKey),
  }
}

/**
 * Passes the key to createSign().sign() and createVerify().verify() unchanged. Its documentation uses text, which is parsed
 * each time; a KeyObject works too. Only the signer and the verifier are measured, without the headers around them.
 */
function messageSignatures<Key extends string | KeyObject>(
  name: string,
  { createSigner, createVerifier }: HttpMessageSignatures,
  privateKey: Key,
  publicKey: Key,
): Peer {
  const signer = createSigner(privateKey, 'rsa-v1_5-sha256')
  const verify = createVerifier(publicKey, 'rsa-v1_5-sha256')
  return {
    name,
    parsesKeyEachTime: typeof privateKey === 'string',
    // New bytes for each message, as in its own signMessage() and verifyMessage().
    sign: async () => (await signer.sign(Buffer.from(CONTENT))).toString('base64'),
    verify: (signature) => verify(Buffer.from(CONTENT), Buffer.from(signature, 'base64')),
  }
}
