import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import process from 'node:process'
import type { Named } from './option.ts'
import { UsageError } from './usage-error.ts'

/** Reads a file that an option or the argument names. */
export async function readNamedFile({ label, value: file }: Named<string>): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    throw new UsageError(`${label}${displayName(file)} cannot be read: ${describeFileError(error)}.`)
  }
}

/** Decodes UTF-8, or returns undefined when the bytes are not UTF-8. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** Shows only names with an extension: users often pass the key itself, which must not be printed and has none. */
function displayName(file: string): string {
  return /^[^\r\n]{1,200}\.\w{1,8}$/.test(file) ? ` ${file}` : ''
}

/** Returns `no such file or directory` for `ENOENT: no such file or directory, open 'private.pem'`: hides the path. */
export function describeFileError(error: unknown): string {
  const { message, code = '' } = error as NodeJS.ErrnoException
  return /^[A-Z]+: ([^,]+)/.exec(message)?.[1] ?? (code || 'unknown error')
}

/** Reads a file, or standard input (`-`), up to a limit. */
export async function readLimited({ label, value: file }: Named<string>, maxBytes: number): Promise<Buffer> {
  const stream = file === '-' ? process.stdin : createReadStream(file)
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of stream) {
      const bytes = Buffer.from(chunk)
      size += bytes.length
      if (size > maxBytes) break
      chunks.push(bytes)
    }
  } catch (error) {
    throw new UsageError(`${label}${displayName(file)} cannot be read: ${describeFileError(error)}.`)
  }
  if (size > maxBytes) throw new UsageError(`${label} is larger than ${maxBytes} bytes.`)
  return Buffer.concat(chunks)
}
