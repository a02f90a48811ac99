import { createReadStream } from 'node:fs'
import { appendFile, stat } from 'node:fs/promises'
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

/** Appends messages to a file that only this user can read: orders are customer data. */
export function createRecording(path: string) {
  let isFull = false
  return async (message: RecordedMessage): Promise<void> => {
    if (isFull) return
    try {
      const { size } = await stat(path).catch(() => ({ size: 0 }))
      isFull = size > MAX_FILE_BYTES
      if (isFull)
        printToStderr(
          `Warning: ${path} has reached 100 MiB. Later messages are forwarded, but not recorded. To record again, delete the file and restart.`,
        )
      else await appendFile(path, `${JSON.stringify(message)}\n`, { mode: 0o600 })
    } catch (error) {
      printToStderr(`Warning: the message ${message.id} could not be recorded: ${describeFileError(error)}.`)
    }
  }
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
