import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { gatewayRsa, merchantRsa, pem } from './keys.ts'
import { root } from './project.ts'

/** How a process ended, and what it printed. */
export interface Ended {
  readonly signal: NodeJS.Signals | null
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Node 20 needs help with TypeScript; later ones take the types out by themselves, and start faster for it. */
const TYPESCRIPT = 'typescript' in process.features && process.features.typescript ? [] : ['--import', 'tsx']

/** Runs a TypeScript file of the project in a process of its own, on the runtime at hand. */
export function run(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [...TYPESCRIPT, script, ...args], {
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
