import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  realpathSync,
  writeSync,
} from 'node:fs'
import { describeFileError } from '../files.ts'
import { UsageError } from '../usage-error.ts'
import type { LineIdentity } from './identify.ts'
import { lockJournal } from './journal-lock.ts'
import { createLedger, type Decision, type Ledger, MAX_LINES } from './ledger.ts'
import { type Line, readLines } from './lines.ts'

/** The outcome of one line of the file. When the run is resumed, only decisions of the peer count. */
export interface Note extends LineIdentity {
  readonly line: number
  readonly outcome: Decision | 'undelivered' | 'untrusted' | 'invalid'
  readonly orderId?: string | undefined
  readonly attempts?: number | undefined
  readonly code?: string | undefined
  readonly resultCode?: string | undefined
  readonly message?: string | undefined
}

/** The sender and the destination: a journal belongs to one of each. */
export interface Route {
  readonly clientId: string
  readonly destination: string
}

/** The first line of a journal. */
interface Header extends Route {
  readonly journal: typeof FORMAT
  readonly version: 1
  /** The `requestId` of a line is derived from this salt and the content of the line. */
  readonly salt: string
}

/** A journal, as it was read. */
export interface JournalContent {
  readonly salt: string
  readonly ledger: Ledger
  /** The length without an incomplete last note. */
  readonly length: number
}

/** An open journal: its content, and a way to append to it. */
export interface Journal extends Omit<JournalContent, 'length'> {
  /** Writes synchronously: a kill after the call does not lose the note. */
  readonly write: (note: Note) => void
  readonly close: () => void
}

const FORMAT = 'alipayhk-order-sync send'
const START = `{"journal":"${FORMAT}"`
const MAX_LINE_BYTES = 65_536

/** A journal in memory, for a run that cannot be resumed. */
export function createMemoryJournal(): Journal {
  return { salt: newSalt(), ledger: createLedger(), write: () => {}, close: () => {} }
}

/** Opens a journal, or creates it. It belongs to this process until it is closed. */
export async function openJournal(path: string, route: Route): Promise<Journal> {
  const file = openFile(path)
  const unlock = await lockJournal(realpathSync(path)).catch((error: unknown) => {
    closeSync(file)
    throw error
  })
  const close = () => {
    closeSync(file)
    unlock()
  }
  try {
    const content = await readContent(path, route)
    let position = content?.length ?? 0
    // An incomplete note: its order is sent again, with the same requestId.
    if (fstatSync(file).size > position) ftruncateSync(file, position)
    const append = (value: object) => {
      position += writeAll(file, `${JSON.stringify(value)}\n`, position)
    }
    if (content !== undefined) return { ...content, write: (note) => append(toEntry(note)), close }
    const salt = newSalt()
    append({ journal: FORMAT, version: 1, salt, ...route } satisfies Header)
    // Without a stored salt, a power failure would change the requestId of the orders that are sent from here on.
    fsyncSync(file)
    return { salt, ledger: createLedger(), write: (note) => append(toEntry(note)), close }
  } catch (error) {
    close()
    throw error
  }
}

const newSalt = () => randomBytes(16).toString('hex')

function openFile(path: string): number {
  let file: number
  try {
    file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  } catch (error) {
    throw new UsageError(`--journal cannot be opened: ${describeFileError(error)}.`)
  }
  if (fstatSync(file).isFile()) return file
  closeSync(file)
  throw new UsageError('--journal must name a regular file.')
}

function writeAll(file: number, text: string, position: number): number {
  const bytes = Buffer.from(text)
  try {
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(file, bytes, written, bytes.length - written, position + written)
    }
  } catch (error) {
    throw new UsageError(`--journal cannot be written: ${describeFileError(error)}.`)
  }
  return bytes.length
}

const toEntry = ({ check, ...note }: Note) => ({ ...note, check: check.toString(16).padStart(8, '0') })

/** Undefined: the file is empty, or has only the beginning of its first line. */
async function readContent(path: string, route: Route): Promise<JournalContent | undefined> {
  const ledger = createLedger()
  let header: Header | undefined
  let length = 0
  for await (const line of readLines(createReadStream(path), MAX_LINE_BYTES)) {
    if (header === undefined) {
      if (!line.isComplete && isStart(line)) return undefined
      header = readHeader(line, route)
    } else if (line.isComplete) {
      const entry = readEntry(line)
      if (entry.decision !== undefined) ledger.note(entry.line, entry.check, entry.decision)
    } else break
    length = line.end
  }
  return header && { salt: header.salt, ledger, length }
}

function isStart({ bytes }: Line): boolean {
  if (bytes === undefined) return false
  const text = bytes.toString()
  return START.startsWith(text) || text.startsWith(START)
}

function readHeader(line: Line, route: Route): Header {
  const header = parseLine(line) as Partial<Header> | undefined
  if (!line.isComplete || header?.journal !== FORMAT || !isHex(header.salt, 32)) {
    throw new UsageError('The file of --journal is not a journal. It was not changed.')
  }
  if (header.version !== 1) throw new UsageError('The journal was written by another version of this program.')
  for (const [name, what] of [
    ['clientId', 'client id'],
    ['destination', 'destination'],
  ] as const) {
    if (header[name] === route[name]) continue
    const found = typeof header[name] === 'string' ? header[name] : 'unknown'
    throw new UsageError(`The journal belongs to another ${what}: ${found}, not ${route[name]}. Use another journal.`)
  }
  return header as Header
}

function readEntry(line: Line): { line: number; check: number; decision: Decision | undefined } {
  const note = parseLine(line) as Record<string, unknown> | undefined
  const number = note?.['line']
  const check = note?.['check']
  if (!Number.isInteger(number) || Number(number) < 1 || Number(number) > MAX_LINES || !isHex(check, 8)) {
    throw new UsageError(`The journal is damaged: line ${line.number} cannot be read.`)
  }
  const outcome = note?.['outcome']
  const decision = outcome === 'succeeded' || outcome === 'refused' ? outcome : undefined
  return { line: Number(number), check: Number.parseInt(check, 16), decision }
}

function isHex(value: unknown, length: number): value is string {
  return typeof value === 'string' && value.length === length && /^[0-9a-f]+$/.test(value)
}

function parseLine({ bytes }: Line): object | undefined {
  try {
    const value: unknown = JSON.parse(bytes?.toString() ?? '')
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
