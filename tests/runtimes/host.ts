import process from 'node:process'
import { createMerchant } from '../adapters/merchant.ts'
import type { Adapter, Mount, Served } from '../adapters/suite.ts'

/** What starts a merchant on the runtime under test: a mount by its names. */
export type Command = Omit<Mount, 'serve'>

/** Hosts one merchant at a time for the suite, which asks for it over HTTP: with no body, it asks what was seen. */
export function createHost(adapters: Readonly<Record<string, Adapter>>): (request: Request) => Promise<Response> {
  const warnings: unknown[] = []
  Object.assign(process, { emitWarning: (...warning: unknown[]) => void warnings.push(warning) })
  let current: (Served & Pick<ReturnType<typeof createMerchant>, 'seen'>) | undefined

  async function start({ adapter, way, options, path }: Command): Promise<{ port: number }> {
    await current?.close()
    warnings.length = 0
    const { ways, kept, parsed } = adapters[adapter] ?? {}
    const serve = { ...ways, ...kept, ...parsed?.ways }[way]
    if (serve === undefined) throw new Error(`${adapter} cannot be mounted ${way}`)
    const { handler, seen } = createMerchant(options)
    current = { seen, ...(await serve(handler, path)) }
    return { port: current.port }
  }
  return async (request) => {
    const command = await request.text()
    return Response.json(
      command === '' ? { ...current?.seen, warnings, runtime: navigator.userAgent } : await start(JSON.parse(command)),
    )
  }
}
