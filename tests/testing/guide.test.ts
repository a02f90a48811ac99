import { execFile } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { read, root } from '../support/project.ts'

/** The code block of docs/testing.md whose first line names the file. */
function blockOf(file: string): string {
  const [, block] =
    new RegExp(`\`\`\`js\\n(// ${file.replace('.', '\\.')}\\n[\\s\\S]*?)\`\`\``).exec(read('docs/testing.md')) ?? []
  return block ?? expect.fail(`docs/testing.md has no block ${file}`)
}

/** Writes a file of the guide into a folder of the project, where the package finds itself by its name. */
function writeGuide(file: string, change = (text: string) => text): string {
  const folder = join(root, '.cache', `guide-${file.replace(/\W/g, '-')}`)
  mkdirSync(folder, { recursive: true })
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, file), change(blockOf(file)))
  // Otherwise vitest would find the configuration of this project.
  writeFileSync(join(folder, 'vitest.config.mjs'), 'export default {}\n')
  return folder
}

/** A runner of tests in a process of its own, without the variables that this runner has set. */
function execute(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(VITEST|NODE_|TINYPOOL|TEST$|PROD$|DEV$|MODE$)/.test(name),
  )
  const env = { ...Object.fromEntries(inherited), NO_COLOR: '1' }
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: root, env, timeout: 50_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, output: stdout + stderr })
    })
  })
}

const vitest = (folder: string) => execute(join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder)

test('the test file for vitest passes, and fails when the order is not saved', async () => {
  const file = 'order-sync.test.js'
  const passed = await vitest(writeGuide(file))
  expect(passed).toMatchObject({ code: 0, output: expect.stringMatching(/Tests +9 passed/) })
  const failed = await vitest(writeGuide(file, (text) => text.replace('saved.push(order.merchantBizNo)', '')))
  expect(failed).toMatchObject({ code: 1, output: expect.stringContaining('1 failed') })
}, 60_000)

test('the test file for node:test passes, and fails when onOrder accepts every status', async () => {
  const file = 'order-sync.test.mjs'
  const passed = await execute('--test', join(writeGuide(file), file))
  expect(passed).toMatchObject({ code: 0, output: expect.stringMatching(/pass 2\b/) })
  const broken = writeGuide(file, (text) => text.replace("!== 'PAID'", "=== ''"))
  expect((await execute('--test', join(broken, file))).code).toBe(1)
}, 60_000)

test('the test file for node:test runs in CommonJS too', async () => {
  const toCommonJs = (text: string) => text.replaceAll(/import ([\s\S]*?) from '(.*)'/g, "const $1 = require('$2')")
  const folder = writeGuide('order-sync.test.mjs', toCommonJs)
  renameSync(join(folder, 'order-sync.test.mjs'), join(folder, 'order-sync.test.cjs'))
  const passed = await execute('--test', join(folder, 'order-sync.test.cjs'))
  expect(passed).toMatchObject({ code: 0, output: expect.stringMatching(/pass 2\b/) })
}, 60_000)
