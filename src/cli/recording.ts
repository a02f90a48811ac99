import { closeSync, constants, createReadStream, fstatSync, openSync, type Stats, writeFileSync } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { describeFileError } from './files.ts'
import { printToStderr } from './output.ts'
import { UsageError } from './usage-error.ts'

/** A message that `listen` has received. `explain` reads it, and `replay` sends it. */
export interface RecordedMessage {
  readonly id: string
  readonly receivedAt: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly bodyBase64: string
  /** The order, when the signature verified. */
  readonly order?: object | undefined
}

/** The largest file. Later messages are forwarded and not recorded. */
const MAX_FILE_BYTES = 104_857_600

/**
 * Appends messages to a file that only this user can read: orders are customer data.
 *
 * @throws {@link UsageError} when the file cannot be used
 */
export function createRecording(path: string) {
  closeSync(openRecording(path))
  let isFull = false
  return (message: RecordedMessage): void => {
    if (isFull) return
    try {
      const file = openRecording(path)
      try {
        isFull = fstatSync(file).size > MAX_FILE_BYTES
        if (isFull)
          printToStderr(
            `Warning: ${path} has reached 100 MiB. Later messages are forwarded, but not recorded. To record again, delete the file and restart.`,
          )
        else writeFileSync(file, `${JSON.stringify(message)}\n`)
      } finally {
        closeSync(file)
      }
    } catch (error) {
      const reason = error instanceof UsageError ? error.message : `${describeFileError(error)}.`
      printToStderr(`Warning: the message ${message.id} could not be recorded: ${reason}`)
    }
  }
}

// Windows has neither. A pipe that nobody reads would block without O_NONBLOCK.
const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants
const APPEND = O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK

/** In a folder of several users, somebody else may have made the file, or a link to another one. */
function openRecording(path: string): number {
  let file: number
  try {
    file = openSync(path, APPEND, 0o600)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason = code === 'ELOOP' ? 'it is a symbolic link' : describeFileError(error)
    throw new UsageError(`--record cannot be opened: ${reason}.`)
  }
  const problem = problemOf(fstatSync(file))
  if (problem === undefined) return file
  closeSync(file)
  throw new UsageError(`--record ${problem}.`)
}

function problemOf(stats: Stats): string | undefined {
  if (!stats.isFile()) return 'must name a regular file'
  // Windows has access control lists instead.
  if (process.getuid === undefined) return undefined
  if (stats.uid !== process.getuid()) return 'must name a file of your own'
  return (stats.mode & 0o077) === 0 ? undefined : 'must name a file that only you can read: run chmod 600 on it'
}

/** Finds a message by its id, or the last one. Reads line by line: the file may be large. */
export async function findRecorded(path: string, id: string): Promise<RecordedMessage> {
  let found: RecordedMessage | undefined
  try {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
      const message = parseLine(line)
      if (message !== undefined && (id === 'last' || message.id === id)) found = message
    }
  } catch (error) {
    throw new UsageError(`--record cannot be read: ${describeFileError(error)}.`)
  }
  if (found === undefined) throw new UsageError('The file of --record has no message with this id.')
  return found
}

/** The last line is incomplete if the process died while writing. */
function parseLine(line: string): RecordedMessage | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && 'id' in value && 'bodyBase64' in value
      ? (value as RecordedMessage)
      : undefined
  } catch {
    return undefined
  }
}
