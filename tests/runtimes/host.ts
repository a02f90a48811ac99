import process from 'node:process'
import type { Adapter, Served } from '../adapters/adapter.ts'
import type { MerchantToStart } from '../adapters/fixture.ts'
import { createMerchant } from '../adapters/merchant.ts'

/**
 * Hosts one merchant at a time on the runtime under test. A POST with a {@link MerchantToStart} starts one; a POST without
 * a body returns what the current one recorded.
 */
export function createHost(adapters: Readonly<Record<string, Adapter>>): (request: Request) => Promise<Response> {
  const warnings: unknown[] = []
  Object.assign(process, { emitWarning: (...warning: unknown[]) => void warnings.push(warning) })
  let current: (Served & Pick<ReturnType<typeof createMerchant>, 'recorded'>) | undefined

  async function start({ adapterName, mountName, options, path }: MerchantToStart): Promise<{ port: number }> {
    await current?.close()
    warnings.length = 0
    const mount = adapters[adapterName]?.mounts[mountName]
    if (mount === undefined) throw new Error(`${adapterName} has no mount "${mountName}"`)
    const { handler, recorded } = createMerchant(options)
    current = { recorded, ...(await mount.serve(handler, path)) }
    return { port: current.port }
  }
  return async (request) => {
    const merchant = await request.text()
    return Response.json(
      merchant === ''
        ? { ...current?.recorded, warnings, userAgent: navigator.userAgent }
        : await start(JSON.parse(merchant)),
    )
  }
}
