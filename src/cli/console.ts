import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { Credentials, OrderSyncHandler } from 'alipayhk-order-sync'
import { createConsole } from 'alipayhk-order-sync/console'
import { readPrivateKey } from './identity.ts'
import { file, flag, optional, text, type ValuesOf, wholeNumber, withDefault } from './option.ts'
import { printToStderr } from './output.ts'
import { createRecording } from './recording.ts'
import { UsageError } from './usage-error.ts'

/** The options of a command that can show the console. */
export const CONSOLE_OPTIONS = {
  console: flag('show received orders on a local web page; for development and staging'),
  'console-port': withDefault('0', wholeNumber('N', 'the port of the page; 0 selects a free one', { max: 65_535 })),
  'peer-private-key': optional(
    file("AlipayHK's key for tests: the page can then send orders to this server; only with --console"),
  ),
}

/** The option of a command that records only on request. */
export const CONSOLE_RECORD = {
  record: optional(
    text('FILE', 'append received messages to a file, which contains customer data; only with --console'),
  ),
}

type Values = ValuesOf<typeof CONSOLE_OPTIONS>

interface Shown {
  readonly handler: OrderSyncHandler
  readonly credentials: Credentials
  /** The file of `--record`. */
  readonly record: string | undefined
}

/** Starts the console if it was asked for, and prints its address to standard error: standard output has the orders. */
export async function startConsole(values: Values, { handler, credentials, record }: Shown): Promise<void> {
  if (!values.console) {
    const needing = [record !== undefined && '--record', values['peer-private-key'] && '--peer-private-key']
    const name = needing.find((option) => typeof option === 'string')
    if (name !== undefined) throw new UsageError(`${name} needs --console.`)
    return
  }
  const peerKey = values['peer-private-key'] && (await readPrivateKey(values['peer-private-key']))
  const page = createConsole({
    handler,
    peer: peerKey === undefined ? undefined : peerOf(credentials, peerKey),
    record: record === undefined ? undefined : createRecording(record),
  })
  const { url } = await page.listen({ port: values['console-port'] }).catch(() => {
    throw new UsageError(
      `The port ${values['console-port']} of --console-port cannot be opened. It may be in use: give another one.`,
    )
  })
  printToStderr(`console: ${url}`)
}

/** The credentials of the other side: its private key, and your public key. */
function peerOf({ clientId, privateKeys, peerPublicKeys }: Credentials, peerKey: string | Uint8Array): Credentials {
  const [version = '1'] = Object.keys(peerPublicKeys)
  const halves = Object.entries(privateKeys).map(([ours, key]) => [ours, publicHalf(key as string | Uint8Array)])
  return { clientId, privateKeys: { [version]: peerKey }, peerPublicKeys: Object.fromEntries(halves) }
}

function publicHalf(key: string | Uint8Array): KeyObject {
  const bytes = typeof key === 'string' ? Buffer.from(key, key.includes('-----') ? 'utf8' : 'base64') : Buffer.from(key)
  for (const form of [{}, { format: 'der', type: 'pkcs8' }, { format: 'der', type: 'pkcs1' }] as const) {
    try {
      return createPublicKey(createPrivateKey({ key: bytes, ...form }))
    } catch {
      // Try the next key format.
    }
  }
  throw new UsageError('--peer-private-key needs --private-key in PEM or DER.')
}
