import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { unlinkSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { UsageError } from '../usage-error.ts'

/**
 * Locks a journal for this process. The lock is a socket, because the operating system releases it whenever a process dies. A file
 * with the process id would stay, and another process could get the same id.
 *
 * @param journal The real path.
 * @returns A function that releases it.
 */
export async function lockJournal(journal: string): Promise<() => void> {
  const name = `order-sync-${createHash('sha256').update(journal).digest('hex').slice(0, 32)}`
  const path = pathOf(name)
  const server = (await tryListen(path)) ?? ((await removeStale(path)) ? await tryListen(path) : undefined)
  if (server === undefined) throw new UsageError('Another process is sending with this journal.')
  // The lock must not keep the process alive.
  server.unref()
  return () => void server.close()
}

/** On Linux and Windows, the name disappears with its process. On other systems, a socket is a file that stays. */
function pathOf(name: string): string {
  if (process.platform === 'linux') return `\0${name}`
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`)
}

async function tryListen(path: string): Promise<Server | undefined> {
  const server = createServer((socket) => void socket.destroy())
  try {
    server.listen(path)
    await once(server, 'listening')
    return server
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
    throw error
  }
}

/** Removes the file of a socket without a listener. */
async function removeStale(path: string): Promise<boolean> {
  if (process.platform === 'linux' || process.platform === 'win32') return false
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return false
  } catch {
    unlinkSync(path)
    return true
  } finally {
    socket.destroy()
  }
}
