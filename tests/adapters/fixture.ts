import { onTestFinished, vi } from 'vitest'
import { PATH } from '../support/messages.ts'
import type { Adapter, Mount, Served } from './adapter.ts'
import { type Connection, connectOverHttp } from './client.ts'
import { createMerchant, type MerchantOptions, type Recorded } from './merchant.ts'
import { rsaCredentials } from './request-cases.ts'

/** A merchant to start: a mount of an adapter, by its names, and options that can be sent to another process. */
export interface MerchantToStart {
  readonly adapterName: string
  readonly mountName: string
  readonly path: string
  readonly options: MerchantOptions
}

/** A merchant that listens on a port. */
export interface RunningMerchant extends Served {
  readonly recorded: () => Promise<Recorded & { readonly warnings: readonly unknown[] }>
}

/** Starts merchants: in this process, or on another runtime. */
export type StartMerchant = (merchant: MerchantToStart, mount: Mount) => Promise<RunningMerchant>

/** What a test receives: starts a merchant on the mount under test, and closes it when the test has finished. */
export type Start = (
  options?: Partial<MerchantOptions>,
  path?: string,
) => Promise<RunningMerchant & Pick<Connection, 'send'>>

export const startInThisProcess: StartMerchant = async ({ path, options }, { serve }) => {
  const { handler, recorded } = createMerchant(options)
  const warnings = vi.mocked(process.emitWarning).mock.calls
  return { ...(await serve(handler, path)), recorded: async () => ({ ...recorded, warnings }) }
}

export function createStart(
  adapterName: string,
  mountName: string,
  { mounts, connect = connectOverHttp }: Adapter,
  startMerchant: StartMerchant,
): Start {
  return async (options, path = PATH) => {
    const mount = mounts[mountName]
    if (mount === undefined) throw new Error(`${adapterName} has no mount "${mountName}"`)
    const merchant = await startMerchant(
      { adapterName, mountName, path, options: { credentials: rsaCredentials(), ...options } },
      mount,
    )
    const { send, close } = connect(merchant.port)
    onTestFinished(async () => {
      // First the client: some servers close only when no connection is left.
      close()
      await merchant.close()
    })
    return { ...merchant, send }
  }
}
