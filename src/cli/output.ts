import process from 'node:process'

// When the reader closes the pipe, only the write fails, in its callback. Without a listener the process would crash.
process.stdout.on('error', () => {})

/** How many lines may wait if the reader has stopped reading. */
const MAX_WAITING_LINES = 1_000

let waitingLines = 0

/** Whether the reader of standard output has stopped reading: accept nothing more until it continues. */
export function isOutputBlocked(): boolean {
  return waitingLines >= MAX_WAITING_LINES
}

/**
 * Writes a line to standard output. Resolves when the operating system has accepted it. Rejects if 1,000 lines wait
 * already: a stopped reader must not make the memory of this process grow without limit.
 */
export function print(line: string): Promise<void> {
  if (isOutputBlocked()) return Promise.reject(new Error('Standard output is not being read'))
  waitingLines++
  return new Promise((resolve, reject) => {
    process.stdout.write(`${line}\n`, (error) => {
      waitingLines--
      if (error) reject(error)
      else resolve()
    })
  })
}

/** Writes a value to standard output as one line of JSON. */
export function printJson(value: object): Promise<void> {
  return print(JSON.stringify(value).replace(UNPRINTABLE, escapeCharacter))
}

/** Characters that JSON allows in a string, but that control a terminal or end a line. */
const UNPRINTABLE = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Writes to standard error. Replaces control characters: the text may come from the peer. */
export function printToStderr(text: string, look = (safe: string) => safe): void {
  process.stderr.write(`${look(text.replace(/(?!\n)[\p{Cc}\p{Cf}]/gu, '\uFFFD'))}\n`)
}
