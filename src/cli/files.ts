import { readFile } from 'node:fs/promises'
import { UsageError } from './arguments.ts'

/** Reads a file that was named on the command line. */
export async function readNamedFile(option: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    throw new UsageError(`${option}${quoted(file)} cannot be read: ${reasonOf(error)}.`)
  }
}

/** The text that the bytes are, or undefined where they are none. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** A key is often given where its file was asked for, and must not be shown. It has no extension, in any of its forms. */
function quoted(file: string): string {
  return /^[^\r\n]{1,200}\.\w{1,8}$/.test(file) ? ` ${file}` : ''
}

/** `no such file or directory`, out of `ENOENT: no such file or directory, open 'private.pem'`: the path is not to be shown. */
export function reasonOf(error: unknown): string {
  const { message, code = '' } = error as NodeJS.ErrnoException
  return /^[A-Z]+: ([^,]+)/.exec(message)?.[1] ?? (code || 'unknown error')
}
