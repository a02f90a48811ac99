import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { folderIn, temporaryFolder, writeTo } from '../support/cli.ts'
import { read, root } from '../support/project.ts'

const DEMO = 'examples/demo/demo.ts'
const temporary = temporaryFolder()
const tsx = join(createRequire(import.meta.url).resolve('tsx/package.json'), '../dist/cli.mjs')

/** Runs the demo as `npm run demo` does. `left` lists the files that it did not remove. */
async function run(environment: NodeJS.ProcessEnv = {}) {
  const { FORCE_COLOR: _, NO_COLOR: __, NODE_OPTIONS: ___, ...inherited } = process.env
  const folder = folderIn(temporary)
  const env = { ...inherited, TMPDIR: folder, TEMP: folder, TMP: folder, ...environment }
  const child = spawn(process.execPath, [tsx, DEMO], { cwd: root, env })
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  // tsx keeps its cache in the same folder.
  const left = readdirSync(folder).filter((name) => !name.startsWith('tsx-'))
  return { code, stdout, stderr, left }
}

const SCENARIOS = [
  ['A plain order', 'HTTP 200', 'SUCCESS', 'processed'],
  ['An encrypted order', 'HTTP 200', 'SUCCESS', 'processed'],
  ['A duplicate', 'HTTP 200', 'SUCCESS', 'duplicate'],
  ['An older event', 'HTTP 200', 'SUCCESS', 'stale'],
  ['A forged order', 'HTTP 401', 'INVALID_SIGNATURE', 'rejected: ERR_SIGNATURE_INVALID'],
  ['A late order', 'HTTP 401', 'INVALID_SIGNATURE', 'rejected: ERR_TIME_RANGE'],
] as const

test('`npm run demo` runs the script that this file tests', () => {
  expect(JSON.parse(read('package.json')).scripts.demo).toBe(`tsx scripts/ensure-built.ts && tsx ${DEMO}`)
})

test('the demo prints request, response and verified result of six messages, and exits by itself', async () => {
  const { code, stdout, stderr, left } = await run()
  expect({ code, stderr, left }).toEqual({ code: 0, stderr: '', left: [] })
  const [, ...sections] = stdout.split(/\n(?=\d\. |Summary)/)
  expect(sections).toHaveLength(SCENARIOS.length + 1)
  for (const [index, [title, status, resultCode, outcome]] of SCENARIOS.entries()) {
    const section = sections[index] ?? ''
    const [request = '', response = ''] = section.split('   ← ')
    expect(section).toContain(`${index + 1}. ${title}\n`)
    expect(request).toContain('→ POST /api/open/alipay/v1/merchant/order/sync\n')
    expect(request).toMatch(/Signature: algorithm=RSA256,keyVersion=1,signature=[\w%.~-]{12}…[\w%.~-]{8}\n/)
    expect(response.startsWith(`${status}\n`)).toBe(true)
    // The merchant signs no response to a request that it cannot verify.
    const isSigned = status === 'HTTP 200'
    expect(response.includes('Signature: algorithm=RSA256')).toBe(isSigned)
    expect(response).toContain(`${isSigned ? 'Verified' : 'Unsigned'} response  ${resultCode}`)
    expect(response).toContain(`At the merchant    ${outcome}`)
    expect(response).toContain('✓ as expected')
    // Only the encrypted order and its response are unreadable on the network.
    const encrypted = title === 'An encrypted order'
    expect([request.includes('Encrypt: '), response.includes('Encrypt: ')]).toEqual([encrypted, encrypted])
    expect([request.includes('"tradeNo"'), response.includes('"resultCode"')]).toEqual([!encrypted, !encrypted])
  }
  expect(sections.at(-1)).toContain('6 of 6 results are as expected.')
  expect(stdout).not.toContain('PRIVATE KEY')
})

test('the demo prints no colours without a terminal, unless FORCE_COLOR is set', async () => {
  const [plain, coloured] = await Promise.all([run(), run({ FORCE_COLOR: '1' })])
  expect(plain.stdout).toBe(stripVTControlCharacters(plain.stdout))
  expect(coloured.stdout).not.toBe(stripVTControlCharacters(coloured.stdout))
  expect(stripVTControlCharacters(coloured.stdout)).toContain('6 of 6 results are as expected.')
})

/** Runs the demo with a replaced global fetch. */
function runWithFetch(code: string) {
  const url = pathToFileURL(writeTo(folderIn(temporary), 'preload.mjs', code))
  return run({ NODE_OPTIONS: `--import ${url}` })
}

test('the demo marks unexpected results and exits with 1', async () => {
  // Sends the first request every time.
  const { code, stdout, left } = await runWithFetch(`
    const { fetch } = globalThis
    let first
    globalThis.fetch = (url, init) => fetch(url, (first ??= init))
  `)
  expect({ code, left }).toEqual({ code: 1, left: [] })
  expect(stdout.match(/✗ not as expected/g)).toHaveLength(5)
  expect(stdout).toContain('1 of 6 results are as expected.')
})

test('the demo exits with an error and removes its keys when a response cannot be trusted', async () => {
  const { code, stderr, left } = await runWithFetch(`
    globalThis.fetch = async () => new Response('{}')
  `)
  expect({ code, left }).toEqual({ code: 1, left: [] })
  expect(stderr).toContain('ERR_REPLY_UNSIGNED')
})
