import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { generateKeys } from './keys.ts'
import { startMerchant } from './merchant.ts'
import { runScenarios } from './run.ts'

const folder = await mkdtemp(join(tmpdir(), 'order-sync-demo-'))
try {
  const asExpected = await runScenarios(await generateKeys(folder), startMerchant)
  process.exitCode = asExpected ? 0 : 1
} finally {
  await rm(folder, { recursive: true })
}
