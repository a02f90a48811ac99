import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, type Pair, pem } from '../tests/support/keys.ts'
import { order, PATH, request } from '../tests/support/messages.ts'

/** The kinds of traffic: RSA in the clear, RSA with encryption, ECC224 in the clear. */
export const SCENARIOS = ['plain', 'encrypted', 'ECC224'] as const
export type Scenario = (typeof SCENARIOS)[number]

/** The messages are created once and used in all rounds and repeats, so they may be this old. */
export const TOLERANCE_SECONDS = 3_600

/** The private keys of both sides as PEM, for sending to another process. */
export interface PemKeys {
  readonly merchant: string
  readonly gateway: string
}

const pairs = (scenario: Scenario): { merchant: Pair; gateway: Pair } =>
  scenario === 'ECC224'
    ? { merchant: merchantEcc(), gateway: gatewayEcc() }
    : { merchant: merchantRsa(), gateway: gatewayRsa() }

/** The private keys of a scenario. The public keys are derived from them. */
export function pemKeys(scenario: Scenario): PemKeys {
  const { merchant, gateway } = pairs(scenario)
  return { merchant: pem(merchant.privateKey), gateway: pem(gateway.privateKey) }
}

/** The merchant's private key, and the gateway's public key. */
export interface MerchantKeys {
  readonly privateKey: KeyObject
  readonly peerKey: KeyObject
}

export function merchantKeys({ merchant, gateway }: PemKeys): MerchantKeys {
  return { privateKey: createPrivateKey(merchant), peerKey: createPublicKey(gateway) }
}

/** Creates requests of new orders. Each is the bytes that go over the socket. */
export function createRequests(scenario: Scenario, count: number): Buffer[] {
  const { merchant, gateway } = pairs(scenario)
  return Array.from({ length: count }, (_, index) => {
    const { headers, body } = request({
      message: order({ requestId: `request-${index}`, merchantBizNo: `BIZ-${index}` }),
      time: new Date().toISOString(),
      key: gateway.privateKey,
      ...(scenario === 'encrypted' && { encryptTo: merchant.publicKey }),
    })
    const lines = Object.entries({ Host: '127.0.0.1', ...headers, 'Content-Length': String(body.length) })
    const head = `POST ${PATH} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
    return Buffer.concat([Buffer.from(head), body])
  })
}

/** A request to another route of the same server. */
export const HEALTH_REQUEST: Buffer = Buffer.from('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
