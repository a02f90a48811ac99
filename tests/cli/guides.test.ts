import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { sidebar } from '../../docs/.vitepress/sidebar.ts'
import { cleanEnv } from '../examples/application.ts'
import { CLI } from '../support/cli.ts'
import { freePort } from '../support/free-port.ts'
import { documents, read, root } from '../support/project.ts'

// The section "Try it" of each guide: its commands run in a shell, and print what the page says.

const run = promisify(execFile)
const guides = documents.filter((path) => path.startsWith('docs/') && /^## Try it$/m.test(read(path)))

interface Step {
  readonly commands: string
  /** What they print. A `…` stands for anything, also for several lines. */
  readonly output: string | undefined
}

/** The files of a page: a block after its name, or a block whose first line is a comment with its name. */
function filesOf(page: string): { name: string; code: string }[] {
  const named = [...page.matchAll(/^`([\w./-]+\.\w+)`[^\n]*:\n\n```\w+[^\n]*\n([\s\S]*?\n)```$/gm)]
  const commented = [...page.matchAll(/^```js\n(?=\/\/ ([\w.-]+\.m?js)\n)([\s\S]*?\n)```$/gm)]
  return [...named, ...commented].map(([, name = '', code = '']) => ({ name, code }))
}

function stepsOf(page: string): Step[] {
  const section = page.slice(page.indexOf('\n## Try it\n'))
  return [...section.matchAll(/^```sh\n([\s\S]*?)\n```$(?:(?:(?!^```)[\s\S])*?^```\n([\s\S]*?)\n```$)?/gm)].map(
    ([, commands = '', output]) => ({ commands, output }),
  )
}

/** A line `…` stands for any number of lines, also for none. */
function matcherOf(output: string): RegExp {
  const parts = output.split(/(^…\n|\n…$|…)/m).map((part) => {
    if (part === '…') return '[\\s\\S]*'
    if (part === '…\n') return '(?:.*\\n)*'
    if (part === '\n…') return '(?:\\n.*)*'
    return part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${parts.join('')}$`)
}

/** What a command prints until it matches, or until the command ends. */
function outputUntil(child: ChildProcess, expected: RegExp): Promise<string> {
  return new Promise((resolve) => {
    let output = ''
    const readMore = (chunk: Buffer) => {
      output += String(chunk)
      if (expected.test(output.trimEnd())) resolve(output)
    }
    child.stdout?.on('data', readMore)
    child.stderr?.on('data', readMore)
    child.once('close', () => resolve(output))
  })
}

/** Quick starts are run by tests/examples. The other pages explain, and have nothing to run. */
const EXEMPT = /^(?:quick-start|decisions)\/|^(?:security|assurance|comparison)$/

test('every guide ends with the section "Try it"', () => {
  const topics = sidebar.filter(({ text }) => text !== 'Reference')
  const pages = topics.flatMap(({ items = [] }) => items.flatMap(({ link = '' }) => link.slice(1)))
  const withoutEnd = pages.filter((page) => !EXEMPT.test(page) && lastHeading(read(`docs/${page}.md`)) !== 'Try it')
  expect(withoutEnd).toEqual([])
})

const lastHeading = (page: string) => [...page.matchAll(/^## (.*)$/gm)].at(-1)?.[1]

describe('the section "Try it"', () => {
  test.each(guides)(
    'of %s prints what the page shows',
    async (path) => {
      const page = read(path)
      // Inside the project, the package finds itself by its name.
      const cwd = join(root, '.cache', 'guides', basename(path, '.md'))
      rmSync(cwd, { recursive: true, force: true })
      mkdirSync(cwd, { recursive: true })
      let server: ChildProcess | undefined
      onTestFinished(() => {
        if (server?.pid !== undefined && server.exitCode === null) process.kill(-server.pid, 'SIGKILL')
        rmSync(cwd, { recursive: true, force: true })
      })
      for (const { name, code } of filesOf(page)) {
        mkdirSync(dirname(join(cwd, name)), { recursive: true })
        writeFileSync(join(cwd, name), code)
      }
      const port = await freePort()
      const env = { ...cleanEnv(), ORDER_SYNC_PORT: String(port), NODE_NO_WARNINGS: '1', NO_COLOR: '1' }
      const withPort = (text: string) => text.replaceAll('127.0.0.1:3000', `127.0.0.1:${port}`)
      const steps = stepsOf(page)
      expect(steps).not.toEqual([])
      for (const { commands, output } of steps) {
        const script = `npx() { shift; ${process.execPath} ${CLI} "$@"; }\n${withPort(commands)}`
        const isServer = /npx alipayhk-order-sync (?:serve|receive|listen) /.test(commands)
        const expected = matcherOf(withPort(output ?? (isServer ? '…\nlistening on …' : '…')))
        if (isServer) {
          server = spawn('bash', ['-ec', script], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
          expect((await outputUntil(server, expected)).trimEnd()).toMatch(expected)
        } else {
          const { stdout } = await run('bash', ['-ec', script], { cwd, env, timeout: 60_000 })
          expect(stdout.trimEnd()).toMatch(expected)
        }
      }
    },
    90_000,
  )
})
