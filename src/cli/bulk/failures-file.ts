import { closeSync, openSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { describeFileError } from '../files.ts'
import { UsageError } from '../usage-error.ts'

/** The orders that were not processed, one on each line, as `send --jsonl` reads them. */
export interface FailuresFile {
  readonly add: (line: Uint8Array) => void
  /** Returns whether there are failures. Removes an empty file. */
  readonly close: () => boolean
}

const LINE_FEED = Buffer.from('\n')

/** Truncates the file: each run that reaches the end of the input lists all failures. */
export function openFailuresFile(path: string | undefined): FailuresFile {
  if (path === undefined) return { add: () => {}, close: () => false }
  const file = attempt(() => openSync(path, 'w', 0o600))
  let isEmpty = true
  return {
    add(line) {
      isEmpty = false
      const bytes = Buffer.concat([line, LINE_FEED])
      attempt(() => {
        for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written)
      })
    },
    close() {
      closeSync(file)
      if (isEmpty) unlinkSync(path)
      return !isEmpty
    },
  }
}

function attempt<Value>(write: () => Value): Value {
  try {
    return write()
  } catch (error) {
    throw new UsageError(`--failures cannot be written: ${describeFileError(error)}.`)
  }
}

/** Throws when two of the files are the same one: writing would destroy it. */
export function assertDifferentFiles(files: Readonly<Record<string, string | undefined>>): void {
  const seen = new Map<string, string>()
  for (const [name, path] of Object.entries(files)) {
    const stats = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })
    const id = stats === undefined ? path : `${stats.dev}:${stats.ino}`
    const other = id === undefined ? undefined : seen.get(id)
    if (other !== undefined) throw new UsageError(`${name} and ${other} are the same file.`)
    if (id !== undefined) seen.set(id, name)
  }
}
