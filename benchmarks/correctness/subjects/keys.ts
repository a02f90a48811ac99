import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pem } from '../../../tests/support/keys.ts'

/** A certificate of a key, which expires tomorrow. */
export function certificate(privateKey: Parameters<typeof pem>[0]): string {
  const folder = mkdtempSync(join(tmpdir(), 'correctness-'))
  try {
    writeFileSync(join(folder, 'key.pem'), pem(privateKey), { mode: 0o600 })
    const args = ['req', '-x509', '-new', '-key', 'key.pem', '-subj', '/CN=test', '-days', '1', '-out', 'key.crt']
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe', timeout: 20_000 })
    return readFileSync(join(folder, 'key.crt'), 'utf8')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A time as the protocol writes it. */
export const timeText = (milliseconds: number) => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
