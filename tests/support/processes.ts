import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import process from 'node:process'
import { build } from 'esbuild'
import { gatewayRsa, merchantRsa, pem } from './keys.ts'
import { root } from './project.ts'

/** The exit status and output of a process. */
export interface ProcessResult {
  readonly signal: NodeJS.Signals | null
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const bundles = new Map<string, Promise<string>>()

/** Bundles a script once into one file. Without it, a process spends most of its time on loading fifty modules. */
export function bundle(script: string): Promise<string> {
  const file = bundles.get(script) ?? writeBundle(script)
  bundles.set(script, file)
  return file
}

async function writeBundle(script: string): Promise<string> {
  // Two folders deep, like its sources: they find the root of the project by a relative path.
  const outfile = `.cache/scripts/${basename(script, '.ts')}.mjs`
  const options = { bundle: true, platform: 'node', format: 'esm', packages: 'external', logLevel: 'error' } as const
  await build({ ...options, absWorkingDir: root, entryPoints: [script], outfile })
  return outfile
}

/** Runs a TypeScript or JavaScript file of the project in a new process of the current runtime. */
export async function run(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ProcessResult> {
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

/** Creates a folder with the private keys of both sides, for other processes. */
export function keyFolder(): { folder: string; gateway: string; merchant: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'order-sync-keys-'))
  const [gateway, merchant] = [join(folder, 'gateway.pem'), join(folder, 'merchant.pem')]
  writeFileSync(gateway, pem(gatewayRsa().privateKey))
  writeFileSync(merchant, pem(merchantRsa().privateKey))
  return { folder, gateway, merchant, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Whether a process with this id exists, also when it is stopped. */
export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
