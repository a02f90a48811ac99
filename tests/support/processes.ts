import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import process from 'node:process'
import { build } from 'esbuild'
import { gatewayRsa, merchantRsa, pem } from './keys.ts'
import { root } from './project.ts'

/** How a process ended, and what it printed. */
export interface Ended {
  readonly signal: NodeJS.Signals | null
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const bundled = new Map<string, Promise<string>>()

/** One file of JavaScript, made once: a process that had to find and strip each of fifty would start for longer than it runs. */
function bundle(script: string): Promise<string> {
  const made = bundled.get(script) ?? make()
  bundled.set(script, made)
  return made

  async function make(): Promise<string> {
    // As deep as the files are that it is made of: the root is two folders up.
    const outfile = `.cache/scripts/${basename(script, '.ts')}.mjs`
    const form = { bundle: true, platform: 'node', format: 'esm', packages: 'external', logLevel: 'error' } as const
    await build({ ...form, absWorkingDir: root, entryPoints: [script], outfile })
    return outfile
  }
}

/** Runs a file of the project, TypeScript or not, in a process of its own, on the runtime at hand. */
export async function run(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const file = script.endsWith('.ts') ? await bundle(script) : script
  const child = spawn(process.execPath, [file, ...args], {
    cwd: root,
    env: { ...process.env, NODE_NO_WARNINGS: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => (stdout += chunk))
  child.stderr.on('data', (chunk) => (stderr += chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

/** A folder with the private keys of both sides, for other processes to read. */
export function keyFolder(): { folder: string; gateway: string; merchant: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'order-sync-keys-'))
  const [gateway, merchant] = [join(folder, 'gateway.pem'), join(folder, 'merchant.pem')]
  writeFileSync(gateway, pem(gatewayRsa().privateKey))
  writeFileSync(merchant, pem(merchantRsa().privateKey))
  return { folder, gateway, merchant, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
