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

/** Runs the demo as `npm run demo` does, and tells what it left behind. */
async function run(environment: NodeJS.ProcessEnv = {}) {
  const { FORCE_COLOR: _, NO_COLOR: __, NODE_OPTIONS: ___, ...inherited } = process.env
  const folder = folderIn(temporary)
  const env = { ...inherited, TMPDIR: folder, TEMP: folder, TMP: folder, ...environment }
  const child = spawn(process.execPath, [tsx, DEMO], { cwd: root, env })
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  // tsx keeps its cache in a folder of its own there.
  const left = readdirSync(folder).filter((name) => !name.startsWith('tsx-'))
  return { code, stdout, stderr, left }
}

const SCENES = [
  ['A plain order', 'HTTP 200', 'SUCCESS', 'processed'],
  ['An encrypted order', 'HTTP 200', 'SUCCESS', 'processed'],
  ['A duplicate', 'HTTP 200', 'SUCCESS', 'duplicate'],
  ['An older event', 'HTTP 200', 'SUCCESS', 'stale'],
  ['A forged order', 'HTTP 401', 'INVALID_SIGNATURE', 'rejected: ERR_SIGNATURE_INVALID'],
  ['A late order', 'HTTP 401', 'INVALID_SIGNATURE', 'rejected: ERR_TIME_RANGE'],
] as const

test('`npm run demo` is what is tested here', () => {
  expect(JSON.parse(read('package.json')).scripts.demo).toBe(`tsx ${DEMO}`)
})

test('shows six messages as sent, as answered and as verified, and ends by itself', async () => {
  const { code, stdout, stderr, left } = await run()
  expect({ code, stderr, left }).toEqual({ code: 0, stderr: '', left: [] })
  const [, ...sections] = stdout.split(/\n(?=\d\. |Summary)/)
  expect(sections).toHaveLength(SCENES.length + 1)
  for (const [index, [title, status, resultCode, outcome]] of SCENES.entries()) {
    const section = sections[index] ?? ''
    const [request = '', answer = ''] = section.split('   ← ')
    expect(section).toContain(`${index + 1}. ${title}\n`)
    expect(request).toContain('→ POST /api/open/alipay/v1/merchant/order/sync\n')
    expect(request).toMatch(/Signature: algorithm=RSA256,keyVersion=1,signature=[\w%.~-]{12}…[\w%.~-]{8}\n/)
    expect(answer.startsWith(`${status}\n`)).toBe(true)
    expect(answer).toContain('Signature: algorithm=RSA256')
    expect(answer).toContain(`Answer, verified  ${resultCode}`)
    expect(answer).toContain(`At the merchant   ${outcome}`)
    expect(answer).toContain('✓ as it should be')
    // On the wire, the encrypted order and its answer can be read by nobody; the others by everybody.
    const encrypted = title === 'An encrypted order'
    expect([request.includes('Encrypt: '), answer.includes('Encrypt: ')]).toEqual([encrypted, encrypted])
    expect([request.includes('"tradeNo"'), answer.includes('"resultCode"')]).toEqual([!encrypted, !encrypted])
  }
  expect(sections.at(-1)).toContain('6 of 6 came out as they should.')
  expect(stdout).not.toContain('PRIVATE KEY')
})

test('nobody sits at the other end: no colours, unless they are asked for', async () => {
  const [plain, coloured] = await Promise.all([run(), run({ FORCE_COLOR: '1' })])
  expect(plain.stdout).toBe(stripVTControlCharacters(plain.stdout))
  expect(coloured.stdout).not.toBe(stripVTControlCharacters(coloured.stdout))
  expect(stripVTControlCharacters(coloured.stdout)).toContain('6 of 6 came out as they should.')
})

/** The demo with something in the way of its messages. */
function runWithFetch(code: string) {
  const url = pathToFileURL(writeTo(folderIn(temporary), 'preload.mjs', code))
  return run({ NODE_OPTIONS: `--import ${url}` })
}

test('what is not as expected is shown, and is the exit status', async () => {
  // The first request is sent over and over.
  const { code, stdout, left } = await runWithFetch(`
    const { fetch } = globalThis
    let first
    globalThis.fetch = (url, init) => fetch(url, (first ??= init))
  `)
  expect({ code, left }).toEqual({ code: 1, left: [] })
  expect(stdout.match(/✗ not as it should be/g)).toHaveLength(5)
  expect(stdout).toContain('1 of 6 came out as they should.')
})

test('an answer that cannot be trusted ends it with an error, and the keys are removed', async () => {
  const { code, stderr, left } = await runWithFetch(`
    globalThis.fetch = async () => new Response('{}')
  `)
  expect({ code, left }).toEqual({ code: 1, left: [] })
  expect(stderr).toContain('ERR_REPLY_UNSIGNED')
})
