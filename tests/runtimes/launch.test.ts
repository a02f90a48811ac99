import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { launch } from './launch.ts'

const HANGS = 'setInterval(() => {}, 1_000)'

const LISTENS = `
  const server = require('node:http').createServer((_, response) => response.end('{"userAgent":"a host"}'))
  server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ socket: 'host', port: server.address().port })))`

const commandFor = (code: string, ...args: string[]) => [process.execPath, '-e', code, ...args]

describe('launch', () => {
  test('launches a host again when it hangs before it listens', async () => {
    const marker = join(mkdtempSync(join(tmpdir(), 'launch-')), 'launched')
    const code = `const fs = require('node:fs')
    if (fs.existsSync(process.argv[1])) { ${LISTENS} } else { fs.writeFileSync(process.argv[1], ''); ${HANGS} }`
    const { userAgent, stop } = await launch(commandFor(code, marker), 3_000)
    expect(userAgent).toBe('a host')
    stop()
  })

  test('rejects when the host hangs twice', async () => {
    await expect(launch(commandFor(HANGS), 300)).rejects.toThrow('did not listen within 300 ms')
  })

  test('rejects at once when the host ends', async () => {
    await expect(launch(commandFor('process.exit(3)'))).rejects.toThrow('has ended with 3')
  })
})
