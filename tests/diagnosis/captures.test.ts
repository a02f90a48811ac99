import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { explainRequest } from '../../src/diagnosis/explain.ts'
import { NOW } from '../support/messages.ts'
import { root } from '../support/project.ts'
import expected from './captures/expected.json' with { type: 'json' }

const folder = `${root}tests/diagnosis/captures/`
const pem = (name: string) => readFileSync(`${folder}keys/${name}.pem`, 'utf8')
const credentials = (sender: string) => ({
  clientId: '4Q5Y8W0WSG45P907917',
  privateKeys: { 1: pem('receiver') },
  peerPublicKeys: { 1: pem(sender) },
})
const explain = (file: string, content: string | Uint8Array = readFileSync(folder + file)) =>
  explainRequest(content, credentials(file.includes('ecc') ? 'ecc.pub' : 'sender.pub'), { now: () => NOW })

describe('explainRequest, for captures that other programs made,', () => {
  test.each(Object.entries(expected))('finds in %s: %j', async (file, codes) => {
    const explanation = await explain(file)
    expect(explanation).toMatchObject({ verified: false, notes: [] })
    expect(explanation.causes.map(({ code }) => code)).toEqual(codes)
    expect(explanation.trials).toBeLessThan(20_000)
  })

  test('also names the Client-Id of another client', async () => {
    const file = readFileSync(`${folder}openssl-echo.http`, 'utf8')
    const other = file.replace('Client-Id: 4Q5Y8W0WSG45P907917', 'Client-Id: ANOTHER')
    const { causes } = await explain('openssl-echo.http', other)
    expect(causes.map(({ code }) => code)).toEqual(['body-newline', 'client-id'])
  })

  test('has at least ten captures, and a row for each file', () => {
    const files = readdirSync(folder).filter((name) => /^(openssl|curl|python|perl|java)-/.test(name))
    expect(files.sort()).toEqual(Object.keys(expected).sort())
    expect(files.length).toBeGreaterThanOrEqual(10)
  })
})
