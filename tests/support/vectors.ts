import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The vectors of Project Wycheproof: in `WYCHEPROOF_DIR`, or in ../shared next to the project. */
const folder =
  process.env['WYCHEPROOF_DIR'] ?? fileURLToPath(new URL('../../../shared/vectors/wycheproof', import.meta.url))

/** Whether the folder exists. */
export const hasVectors = existsSync(folder)

if (!hasVectors) {
  process.stderr.write(`Wycheproof vectors are not in ${folder}: their tests are skipped. Set WYCHEPROOF_DIR.\n`)
}

/** One test case; bytes are in hex. */
export interface Vector {
  readonly tcId: number
  readonly comment: string
  readonly flags: readonly string[]
  readonly msg: string
  readonly result: 'valid' | 'invalid' | 'acceptable'
}

/** A file of vectors. Without the folder, it has no groups. */
export interface Vectors<Group> {
  readonly numberOfTests: number
  readonly testGroups: readonly Group[]
}

/** Reads a file of vectors. */
export function readVectors<Group>(name: string): Vectors<Group> {
  if (!hasVectors) return { numberOfTests: 0, testGroups: [] }
  return JSON.parse(readFileSync(`${folder}/${name}_test.json`, 'utf8'))
}
