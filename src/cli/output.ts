import process from 'node:process'

// A reader that has gone is an error of the write that it meets, not of the process.
process.stdout.on('error', () => {})

/** Writes a line to standard output, and resolves once it is out of our hands. */
export function print(line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${line}\n`, (error) => (error ? reject(error) : resolve()))
  })
}

/** Writes a value to standard output as one line of JSON. */
export function printJson(value: object): Promise<void> {
  return print(JSON.stringify(value).replace(UNPRINTABLE, escapeCharacter))
}

/** What JSON allows in a string, but a terminal obeys or a reader takes for the end of the line. */
const UNPRINTABLE = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Writes to standard error. What a peer has a say in goes here too, so nothing in it is obeyed by a terminal. */
export function complain(text: string): void {
  process.stderr.write(`${text.replace(/(?!\n)[\p{Cc}\p{Cf}]/gu, '\uFFFD')}\n`)
}
