import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { order, PATH, request } from '../tests/support/messages.ts'
import { gatewayEcc, gatewayRsa, merchantEcc, merchantRsa, type Pair, pem } from '../tests/support/keys.ts'

/** Whose messages, by what keys, secured how. */
export const SCENARIOS = ['plain', 'encrypted', 'ECC224'] as const
export type Scenario = (typeof SCENARIOS)[number]

/** How old requests and answers may be: they are made once for all rounds, repeats included. */
export const TOLERANCE_SECONDS = 3_600

/** Both sides' keys as PEM: to be sent to another process. */
export interface KeyTexts {
  readonly merchant: string
  readonly gateway: string
}

const pairs = (scenario: Scenario): { merchant: Pair; gateway: Pair } =>
  scenario === 'ECC224'
    ? { merchant: merchantEcc(), gateway: gatewayEcc() }
    : { merchant: merchantRsa(), gateway: gatewayRsa() }

/** The private keys of a scenario; the public halves come out of them. */
export function keyTexts(scenario: Scenario): KeyTexts {
  const { merchant, gateway } = pairs(scenario)
  return { merchant: pem(merchant.privateKey), gateway: pem(gateway.privateKey) }
}

/** A merchant's own private key, and the gateway's public one. */
export interface MerchantKeys {
  readonly privateKey: KeyObject
  readonly peerKey: KeyObject
}

export function merchantKeys({ merchant, gateway }: KeyTexts): MerchantKeys {
  return { privateKey: createPrivateKey(merchant), peerKey: createPublicKey(gateway) }
}

/** So many requests of new orders, each as the bytes that go over the socket. */
export function requestsOverSocket(scenario: Scenario, count: number): Buffer[] {
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

/** A request of a route beside the handler's. */
export const HEALTH_REQUEST: Buffer = Buffer.from('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
