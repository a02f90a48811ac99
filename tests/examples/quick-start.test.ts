import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { temporaryFolder } from '../support/cli.ts'
import { freePort } from '../support/free-port.ts'
import { read } from '../support/project.ts'
import { cleanEnv, pack } from './application.ts'

// From an empty folder, with nothing but what the page shows. Two things differ: this package comes from the tarball, and the port is free.

const run = promisify(execFile)
const folder = temporaryFolder()
let tarball: string

beforeAll(async () => {
  tarball = await pack(folder)
}, 60_000)

/** A block of a page: a file to write, or commands to run. */
type Step = { readonly file: string; readonly code: string } | { readonly commands: string }

function stepsOf(page: string): Step[] {
  const blocks = page.matchAll(/(?:^`([^`\n]+)`:\n\n)?^```(\w+)[^\n]*\n([\s\S]*?)\n```$/gm)
  return [...blocks].flatMap(([, file, language = '', code = '']): Step[] => {
    if (language === 'sh') return [{ commands: code }]
    return file === undefined ? [] : [{ file, code }]
  })
}

/** Resolves when the output says that the server listens. */
function untilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = ''
    const read = (chunk: Buffer) => {
      output += String(chunk)
      if (/listening on|Ready in/.test(output)) resolve()
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('exit', (code) => reject(new Error(`exit ${code}: ${output.slice(-2_000)}`)))
  })
}

describe.concurrent('docs/quick-start', () => {
  test.each(['express', 'next'])('%s ends with a verified response', async (page) => {
    const cwd = await mkdtemp(join(tmpdir(), `quick-start-${page}-`))
    const port = await freePort()
    const env = { ...cleanEnv(), PORT: String(port), npm_config_prefer_offline: 'true' }
    let server: ChildProcess | undefined
    onTestFinished(async () => {
      if (server?.pid !== undefined && server.exitCode === null) process.kill(-server.pid, 'SIGKILL')
      await rm(cwd, { recursive: true, force: true, maxRetries: 5 })
    })
    let output = ''
    for (const step of stepsOf(read(`docs/quick-start/${page}.md`))) {
      if ('file' in step) {
        await mkdir(dirname(join(cwd, step.file)), { recursive: true })
        await writeFile(join(cwd, step.file), `${step.code}\n`)
        continue
      }
      const commands = step.commands
        .replace('npm install alipayhk-order-sync', `npm install ${tarball}`)
        .replace('http://127.0.0.1:3000', `http://127.0.0.1:${port}`)
      if (commands.startsWith('export ')) {
        server = spawn('bash', ['-ec', commands], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
        await untilReady(server)
      } else output = (await run('bash', ['-ec', commands], { cwd, env, timeout: 240_000 })).stdout
    }
    expect(output).toContain('"resultCode":"SUCCESS"')
    expect(output).toContain('"orderId":"order-A-1"')
  })
})
