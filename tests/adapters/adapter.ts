import type { OrderSyncHandler } from '../../src/public/index.ts'
import type { Connect } from './client.ts'
import type { RequestCase } from './request-cases.ts'

// Without vitest: other runtimes load these files too.

/** Starts a server on a free port, with the handler mounted at the path. */
export type Serve = (handler: OrderSyncHandler, path: string) => Promise<Served>

export interface Served {
  readonly port: number
  readonly close: () => Promise<unknown>
}

/**
 * The groups of tests in suite.ts.
 *
 * - `all cases`, `main cases`: the response is the same as that of the handler alone, for each case of request-cases.ts
 * - `signed path`: the handler sees the path as the peer sent it
 * - `accept-encoding`: the response can be verified when the client accepts compression
 * - `compression`: the response is compressed
 * - `connections`: half a body, and a second request behind a body that is too large
 * - `large bodies`: a client that reads nothing before it has sent 8 MB receives the 413
 * - `timeouts`: a client, or `onOrder`, that hangs
 * - `scenarios`: a simulator finds nothing that is against the protocol
 * - `parsed body`: the bytes are lost, so the handler refuses and says how to fix the mounting
 */
export type TestGroup =
  | 'all cases'
  | 'main cases'
  | 'signed path'
  | 'accept-encoding'
  | 'compression'
  | 'connections'
  | 'large bodies'
  | 'timeouts'
  | 'scenarios'
  | 'parsed body'

/** The groups that write to a TCP socket themselves. They need HTTP/1.1 without TLS, and a server that streams bodies. */
export const SOCKET_GROUPS: readonly TestGroup[] = ['connections', 'large bodies', 'timeouts']

/** One way to mount the handler in an application. */
export interface Mount {
  readonly serve: Serve
  readonly groups: readonly TestGroup[]
  /** For `parsed body`. */
  readonly parsedBody?: ParsedBody
}

export interface ParsedBody {
  /** Texts that the event and the warning must contain. */
  readonly hints: readonly string[]
  /** Where the handler is mounted. @defaultValue the path of the API */
  readonly path?: string
}

/** An adapter, and the ways to mount it, by name. */
export interface Adapter {
  readonly mounts: Readonly<Record<string, Mount>>
  /** Groups that do not apply to this platform. */
  readonly without?: readonly TestGroup[]
  /** How a client connects. @defaultValue HTTP/1.1 over TCP */
  readonly connect?: Connect
  /** Cases, by name, whose request the platform changes before the handler sees it, and what is different then. */
  readonly differences?: Readonly<Record<string, Partial<RequestCase>>>
}

/** The simplest mount of an adapter, which is tested with every group. */
export const mainMount = (serve: Serve): Mount => ({
  serve,
  groups: ['all cases', 'signed path', 'accept-encoding', 'scenarios', ...SOCKET_GROUPS],
})

/** A mount beside or behind other code, which must make no difference. */
export const mount = (serve: Serve): Mount => ({
  serve,
  groups: ['main cases', 'signed path', 'accept-encoding', 'connections', 'large bodies'],
})

/** A mount behind middleware that compresses every response. */
export const compressedMount = (serve: Serve): Mount => {
  const plain = mount(serve)
  return { ...plain, groups: [...plain.groups, 'compression'] }
}

/** A mount behind a parser that keeps the bytes. */
export const bytesKeptMount = (serve: Serve): Mount => ({ serve, groups: ['main cases'] })

/** A mount behind a parser, or another reader, that keeps no bytes. */
export const parsedMount = (serve: Serve, parsedBody: ParsedBody): Mount => ({
  serve,
  groups: ['parsed body'],
  parsedBody,
})
