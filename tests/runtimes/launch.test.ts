import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { expect, test } from 'vitest'
import { launch } from './launch.ts'

const HANGS = 'setInterval(() => {}, 1_000)'

const LISTENS = `
  const server = require('node:http').createServer((_, response) => response.end('{"runtime":"a host"}'))
  server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ socket: 'host', port: server.address().port })))`

const running = (code: string, ...args: string[]) => [process.execPath, '-e', code, ...args]

test('a host that hangs before it listens is launched once more', async () => {
  const been = join(mkdtempSync(join(tmpdir(), 'launch-')), 'been')
  const code = `const fs = require('node:fs')
    if (fs.existsSync(process.argv[1])) { ${LISTENS} } else { fs.writeFileSync(process.argv[1], ''); ${HANGS} }`
  const { name, end } = await launch(running(code, been), 3_000)
  expect(name).toBe('a host')
  end()
})

test('a host that hangs each time is an error', async () => {
  await expect(launch(running(HANGS), 300)).rejects.toThrow('did not listen within 300 ms')
})

test('a host that ends is an error, at once', async () => {
  await expect(launch(running('process.exit(3)'))).rejects.toThrow('has ended with 3')
})
